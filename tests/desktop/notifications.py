"""Stands in for a desktop: owns org.freedesktop.Notifications on the session bus and prints what it is shown.

The first line is "ready"; each notification is a JSON object on a line of its own.
"""

import json
import sys

from jeepney import HeaderFields, MessageType, message_bus, new_error, new_method_return
from jeepney.io.blocking import open_dbus_connection

connection = open_dbus_connection(bus="SESSION")
connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.Notifications"))
print("ready", flush=True)
shown = 0
while True:
    call = connection.receive()
    if call.header.message_type is not MessageType.method_call:
        continue
    member = call.header.fields.get(HeaderFields.member)
    if member == "GetServerInformation":
        connection.send(new_method_return(call, "ssss", ("stand-in", "vmrun", "1", "1.2")))
    elif member == "GetCapabilities":
        connection.send(new_method_return(call, "as", (["body"],)))
    elif member == "Notify":
        app, _replaces, icon, summary, body, _actions, hints, _timeout = call.body
        shown += 1
        urgency = hints.get("urgency", ("y", 1))[1]
        print(json.dumps({"app": app, "icon": icon, "summary": summary, "body": body, "urgency": urgency}))
        sys.stdout.flush()
        connection.send(new_method_return(call, "u", (shown,)))
    else:
        connection.send(new_error(call, "org.freedesktop.DBus.Error.UnknownMethod"))
