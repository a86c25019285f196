// An interface's OpenAPI document, drawn by Swagger UI, which hands us SwaggerUIBundle
// as a global. Nothing leaves this host: no validator, no addresses from the query.

const place = document.getElementById("reference");

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  validatorUrl: null,
  queryConfigEnabled: false,
  persistAuthorization: false,
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { activated: false },
  // There is one server, this one, so there is nothing to choose.
  plugins: [() => ({ wrapComponents: { ServersContainer: () => () => null } })],
});

// Names for what the library leaves nameless, and a way for the keyboard into what scrolls.
const missing = { ".examples-select-element": ["aria-label", "Example"], ".close-modal": ["aria-label", "Close"], ".curl, .microlight": ["tabindex", "0"] };
new MutationObserver(() => {
  for (const [css, [name, value]] of Object.entries(missing)) {
    for (const element of place.querySelectorAll(`:is(${css}):not([${name}])`)) element.setAttribute(name, value);
  }
}).observe(place, { childList: true, subtree: true });
