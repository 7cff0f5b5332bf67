"""A mail server on loopback: aiosmtpd, from Debian's package. Prints its port, then each mail as a line of JSON.

usage: real-smtp.py PORT [CERTIFICATE KEY USER PASSWORD]; with a certificate it wants STARTTLS and a login.
"""
import asyncio, email, email.policy, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

port, *tls = sys.argv[1:]

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('unknown'):
            return '550 no such user'
        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = {
            'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'tls': session.ssl is not None,
            'headers': dict(message.items()), 'defects': [str(each) for each in message.defects],
            'body': message.get_content(), 'raw': envelope.content.decode('latin1'),
        }
        print(json.dumps(line), flush=True)
        return '250 kept'

def login(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()] == tls[2:4]
    return AuthResult(success=right, handled=False)

def make():
    if not tls:
        return SMTP(Handler(), hostname='mail.test', decode_data=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls[0], tls[1])
    return SMTP(Handler(), hostname='mail.test', tls_context=context, require_starttls=True,
                auth_required=True, authenticator=login)

async def main():
    server = await asyncio.get_running_loop().create_server(make, '127.0.0.1', int(port))
    print(json.dumps({'port': server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()

asyncio.run(main())
