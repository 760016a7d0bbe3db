// Shows the description of what the caller may reach. Who authorizes sees the description for that role.
const address = new URL('/openapi.json', location.href).href;

// Asked for by requests that begin before it is there.
let ui = null;

ui = SwaggerUIBundle({
  url: address,
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
  // The description itself is asked for with what the caller has authorized with.
  requestInterceptor: (request) => {
    if (request.loadSpec) {
      const given = ui?.authSelectors?.authorized?.()?.toJS() ?? {};
      if (given.bearer?.value) request.headers.Authorization = `Bearer ${given.bearer.value}`;
      if (given.apikey?.value) request.headers.apikey = given.apikey.value;
    }
    return request;
  },
  plugins: [
    () => ({
      statePlugins: {
        auth: {
          wrapActions: {
            authorize: (authorize, system) => (payload) => {
              authorize(payload);
              system.specActions.download(address);
            },
            logout: (logout, system) => (payload) => {
              logout(payload);
              system.specActions.download(address);
            },
          },
        },
      },
    }),
  ],
});
window.ui = ui;
