#!/bin/sh
# What the machine and its compiler are, in one line.
set -eu
printf '%s, %s processors, Linux %s, %s\n' \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
    "$(gcc --version | head -n 1)"
