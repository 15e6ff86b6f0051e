"""An SSH server by paramiko, for the suite. Prints its port, then serves until it is ended.

What the arguments mean is said in support/makers.rs, which starts it.
"""

import argparse
import os
import signal
import socket
import subprocess
import threading
import warnings

warnings.simplefilter("ignore")
import paramiko  # noqa: E402

arguments = argparse.ArgumentParser()
arguments.add_argument("--host-key", action="append", required=True)
arguments.add_argument("--authorized", required=True)
arguments.add_argument("--password")
arguments.add_argument("--keyboard", action="store_true")
arguments.add_argument("--rekey", type=int)
arguments = arguments.parse_args()


def host_key(path):
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(path)
        except paramiko.SSHException:
            pass
    raise SystemExit(f"{path}: no key that paramiko reads")


class Server(paramiko.ServerInterface):
    def __init__(self):
        self.environment = dict(os.environ)

    def get_allowed_auths(self, username):
        if arguments.keyboard:
            return "publickey,keyboard-interactive"
        return "publickey,password" if arguments.password else "publickey"

    def check_auth_publickey(self, username, key):
        known = [line.split()[1] for line in open(arguments.authorized) if line.strip()]
        return paramiko.AUTH_SUCCESSFUL if key.get_base64() in known else paramiko.AUTH_FAILED

    def check_auth_password(self, username, password):
        right = arguments.password and password == arguments.password
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username, submethods):
        if not arguments.keyboard:
            return paramiko.AUTH_FAILED
        return paramiko.InteractiveQuery(
            "Two things", "Both are needed.", ("Password: ", False), ("Code: ", True)
        )

    def check_auth_interactive_response(self, responses):
        right = list(responses) == [arguments.password, "42"]
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, number):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_env_request(self, channel, name, value):
        if not name.startswith(b"GIT_"):
            return False
        self.environment[name.decode()] = value.decode()
        return True

    def check_channel_exec_request(self, channel, command):
        threading.Thread(target=self.run, args=(channel, command), daemon=True).start()
        return True

    def check_channel_shell_request(self, channel):
        return self.check_channel_exec_request(channel, b"exec sh")

    def run(self, channel, command):
        child = subprocess.Popen(
            [b"sh", b"-c", command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment,
        )

        def feed():
            try:
                while True:
                    block = channel.recv(65536)
                    if not block:
                        break
                    child.stdin.write(block)
                    child.stdin.flush()
                child.stdin.close()
            except OSError:
                pass

        def drain(source, send):
            try:
                while True:
                    block = os.read(source.fileno(), 65536)
                    if not block:
                        break
                    send(block)
            except OSError:
                pass

        threading.Thread(target=feed, daemon=True).start()
        pumps = [
            threading.Thread(target=drain, args=(child.stdout, channel.sendall)),
            threading.Thread(target=drain, args=(child.stderr, channel.sendall_stderr)),
        ]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        status = child.wait()
        try:
            channel.shutdown_write()
            if status < 0:
                message = paramiko.Message()
                message.add_byte(paramiko.common.cMSG_CHANNEL_REQUEST)
                message.add_int(channel.remote_chanid)
                message.add_string("exit-signal")
                message.add_boolean(False)
                message.add_string(signal.Signals(-status).name[3:])
                message.add_boolean(False)
                message.add_string("ended by a signal")
                message.add_string("")
                channel.transport._send_user_message(message)
            else:
                channel.send_exit_status(status)
            channel.close()
        except (OSError, EOFError):
            pass


if arguments.rekey:
    paramiko.packet.Packetizer.REKEY_BYTES = arguments.rekey
keys = [host_key(path) for path in arguments.host_key]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(20)
print(listener.getsockname()[1], flush=True)
transports = []
while True:
    client, _ = listener.accept()
    transport = paramiko.Transport(client)
    for key in keys:
        transport.add_server_key(key)
    try:
        transport.start_server(server=Server(), event=threading.Event())
    except (paramiko.SSHException, EOFError):
        continue
    transports.append(transport)
