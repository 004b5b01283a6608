// Unpacks what the package holds into the directory that TMPDIR names: its own function writes there.
import { inflate } from "./node_modules/@sparticuz/chromium/build/lambdafs.js";

for (const part of ["al2023.tar.br", "fonts.tar.br", "chromium.br"]) {
  await inflate(`node_modules/@sparticuz/chromium/bin/${part}`);
}
