// The theme's own switches (the account, the colours, the menu) answer to a click alone; here they
// are buttons to a keyboard and to a reader of screens too.
document.addEventListener("DOMContentLoaded", () => {
  const native = "a[href], button, input, select, textarea, summary, label, [tabindex]";
  for (const one of document.querySelectorAll(".cursor-pointer[x-on\\:click]")) {
    if (one.matches(native) || one.querySelector(native)) continue;
    one.setAttribute("role", "button");
    one.tabIndex = 0;
    // An icon's text is the name of its picture.
    const [icon, ...others] = one.querySelectorAll(".material-symbols-outlined");
    const named = [...one.childNodes].some((node) => node !== icon && node.textContent.trim());
    if (icon && !others.length && !named) one.setAttribute("aria-label", icon.textContent.trim().replaceAll("_", " "));
    one.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      one.click();
    });
  }
});
