// A real OpenID Connect provider on 127.0.0.1, for tests: whoever comes is signed in, without a question, as the account
// that `login_hint` holds (claims as JSON in base64url). Prints its port, and ends when standard input does.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

process.stdin.resume().on('end', () => process.exit(0));

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const pairs = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
};
const keys = ALGORITHMS.map((alg) => ({
  ...pairs[alg].privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `key-${alg}`,
}));

const accounts = new Map();
const callbacks = ['idp', 'other'].flatMap((provider) =>
  ['127.0.0.1', 'localhost'].map((host) => `http://${host}/api/v1/social/${provider}/callback`));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: ALGORITHMS.map((alg) => ({
      client_id: `keystead-${alg}`,
      client_secret: 'a-secret:+/%?&=',
      // Addresses of this machine count with any port (RFC 8252 section 7.3).
      application_type: 'native',
      redirect_uris: callbacks,
      id_token_signed_response_alg: alg,
    })),
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    pkce: { required: () => true },
    cookies: { keys: ['for tests only'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/test/interaction/${interaction.uid}` },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => accounts.get(sub) }),
    // Nobody is asked whether they agree.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on('request', async (request, response) => {
    if (!request.url.startsWith('/test/interaction/')) {
      answer(request, response);
      return;
    }
    const { params } = await provider.interactionDetails(request, response);
    const account = JSON.parse(Buffer.from(params.login_hint, 'base64url'));
    accounts.set(account.sub, account);
    const result = { login: { accountId: account.sub }, consent: {} };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  console.log(port);
});
