"""Stands in for logind: owns org.freedesktop.login1 on the system bus, gives out locks and says what becomes of them.

It prints "ready", then a line for each lock that is taken ("sleep delay guest x is paused before") and let go of
("sleep let go of"). Told "PrepareForSleep true" on its standard input, it announces that; with "stranger" before it,
another client of the bus sends the same to who holds a lock. Started with "refuse", it gives out no locks.
"""

import os
import sys
import threading

from jeepney import DBusAddress, HeaderFields, MessageType, message_bus, new_error, new_method_return, new_signal
from jeepney.io.blocking import open_dbus_connection

NAME = "org.freedesktop.login1"
MANAGER = DBusAddress("/org/freedesktop/login1", NAME, f"{NAME}.Manager")
refuses = sys.argv[1:] == ["refuse"]
connection = open_dbus_connection(bus="SYSTEM", enable_fds=True)
stranger = open_dbus_connection(bus="SYSTEM")
connection.send_and_get_reply(message_bus.RequestName(NAME))
holder = None


def announce():
    for line in sys.stdin:
        words = line.split()
        signal = new_signal(MANAGER, words[-2], "b", (words[-1] == "true",))
        if words[0] == "stranger":
            signal.header.fields[HeaderFields.destination] = holder
            stranger.send(signal)
        else:
            connection.send(signal)


def say(line):
    """A line in one piece: several threads say something here."""
    os.write(1, f"{line}\n".encode())


def watch(what, lock):
    os.read(lock, 1)
    say(f"{what} let go of")


threading.Thread(target=announce, daemon=True).start()
say("ready")
while True:
    call = connection.receive()
    if call.header.message_type is not MessageType.method_call:
        continue
    member = call.header.fields.get(HeaderFields.member)
    if member == "Inhibit" and refuses:
        connection.send(new_error(call, "org.freedesktop.DBus.Error.AccessDenied", "s", ("Permission denied",)))
    elif member == "Inhibit":
        what, who, why, mode = call.body
        assert who == "vmrun"
        holder = call.header.fields[HeaderFields.sender]
        ours, theirs = os.pipe()
        say(f"{what} {mode} {why}")
        connection.send(new_method_return(call, "h", (theirs,)))
        os.close(theirs)
        threading.Thread(target=watch, args=(what, ours), daemon=True).start()
    elif member == "Get":
        connection.send(new_method_return(call, "v", (("t", 5_000_000),)))
    else:
        connection.send(new_error(call, "org.freedesktop.DBus.Error.UnknownMethod"))
