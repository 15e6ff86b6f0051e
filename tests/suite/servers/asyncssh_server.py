"""An SSH server by asyncssh, for the suite. Prints its port, then serves until it is ended.

What the arguments mean is said in support/makers.rs, which starts it.
"""

import argparse
import asyncio
import os
import signal
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh  # noqa: E402

arguments = argparse.ArgumentParser()
arguments.add_argument("--host-key", action="append", required=True)
arguments.add_argument("--authorized", required=True)
arguments.add_argument("--password")
arguments.add_argument("--keyboard", action="store_true")
arguments.add_argument("--compression")
arguments = arguments.parse_args()


class Server(asyncssh.SSHServer):
    def connection_made(self, conn):
        self.conn = conn

    def begin_auth(self, username):
        keys = [line for line in open(arguments.authorized).read().splitlines() if line]
        if keys:
            self.conn.set_authorized_keys(asyncssh.import_authorized_keys("\n".join(keys) + "\n"))
        return True

    def public_key_auth_supported(self):
        return True

    def password_auth_supported(self):
        return bool(arguments.password) and not arguments.keyboard

    def validate_password(self, username, password):
        return password == arguments.password

    def kbdint_auth_supported(self):
        return arguments.keyboard

    def get_kbdint_challenge(self, username, lang, submethods):
        return "Two things", "Both are needed.", "", [("Password: ", False), ("Code: ", True)]

    def validate_kbdint_response(self, username, responses):
        return list(responses) == [arguments.password, "42"]


async def feed(source, child):
    try:
        while block := await source.read(65536):
            child.stdin.write(block)
            await child.stdin.drain()
        child.stdin.close()
    except (OSError, asyncssh.Error):
        pass


async def drain(source, target):
    while block := await source.read(65536):
        target.write(block)
        await target.drain()


async def run(process):
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "exec sh",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ, **process.env),
    )
    feeding = asyncio.create_task(feed(process.stdin, child))
    try:
        await asyncio.gather(
            drain(child.stdout, process.stdout), drain(child.stderr, process.stderr)
        )
    except (OSError, asyncssh.Error):
        child.kill()
    status = await child.wait()
    feeding.cancel()
    if status < 0:
        name = signal.Signals(-status).name[3:]
        process.exit_with_signal(name, False, "ended by a signal")
    else:
        process.exit(status)


async def main():
    further = {}
    if arguments.compression:
        further["compression_algs"] = [arguments.compression]
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0,
        server_host_keys=arguments.host_key,
        process_factory=run,
        encoding=None,
        **further,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(0)
