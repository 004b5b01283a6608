// Nothing is loaded from, or sent to, another host: no validator, no fonts.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const colour = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
colour();
dark.addEventListener("change", colour);

// Swagger UI puts a link into the button that unfolds a call, where no keyboard and no reader of
// screens knows which of the two it is at. The address still follows what is unfolded.
const plainPath = ({ React }) => ({
  wrapComponents: { DeepLink: () => ({ text }) => React.createElement("span", null, text) },
});

SwaggerUIBundle({
  url: "/v1/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  plugins: [plainPath],
});
