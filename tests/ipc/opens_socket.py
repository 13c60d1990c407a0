"""A module whose import opens a socket."""

import socket

SOCKET = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
