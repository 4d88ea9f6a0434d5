// A token server of panva's oidc-provider. It prints its port, and ends with its standard input.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [entry, lifetime] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(entry));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{
      client_id: '4242',
      client_secret: 's3cret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
    }],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    routes: { token: '/oauth/token' },
    ttl: { ClientCredentials: Number(lifetime) },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${port}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
