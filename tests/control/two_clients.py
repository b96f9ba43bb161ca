"""Two clients of QEMU's own QMP library at once on vmrun's relay; says what each of them sees."""

import asyncio
import sys

from qemu.qmp import ExecuteError, QMPClient


async def main(path):
    a, b = QMPClient("a"), QMPClient("b")
    await a.connect(path)
    await b.connect(path)
    status, version = await asyncio.gather(a.execute("query-status"), b.execute("query-version"))
    print("a", status["status"])
    print("b", *[name for name in version if name == "qemu"])
    with a.listener(("STOP", "RESUME")) as heard_a, b.listener(("STOP", "RESUME")) as heard_b:
        await a.execute("stop")
        print((await heard_a.get())["event"], (await heard_b.get())["event"])
        print((await b.execute("query-status"))["status"])
        await b.execute("cont")
        print((await heard_a.get())["event"], (await heard_b.get())["event"])
    try:
        await b.execute("fly")
    except ExecuteError as error:
        print(error.error_class)
    await a.disconnect()
    print("after the other left:", (await b.execute("query-status"))["status"])
    await b.disconnect()


asyncio.run(main(sys.argv[1]))
