# shellcheck shell=sh
# Asks which guest, and so which card, at the login on the first console. Add to ~/.profile, or ~/.bash_profile if there is one:
#
#     . /usr/share/vmrun/tty-chooser.sh
#
# Nothing is asked on other consoles, over ssh, in a graphical session, or a second time. q leads to the shell.
if [ -t 0 ] && [ -z "${VMRUN_ASKED-}" ] && [ "$(tty)" = /dev/tty1 ] && command -v vmrun >/dev/null 2>&1; then
    VMRUN_ASKED=1
    export VMRUN_ASKED
    # To pass a card takes root.
    if [ "$(id -u)" -eq 0 ]; then
        vmrun pick
    else
        sudo vmrun pick
    fi
fi
