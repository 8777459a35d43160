"""Runs a command on a pseudo-terminal: pseudo_terminal.py <columns> <command> …

What the terminal is shown goes to standard output. Lines of standard input: `signal TERM`, `columns 40`, `hangup` (the terminal
goes, the command may stay; its process id is the last line). Ends with the exit code of the command.
"""
import fcntl, os, pty, select, signal, struct, sys, termios


def resize(columns):
    fcntl.ioctl(0 if pid == 0 else master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


pid, master = pty.fork()
if pid == 0:
    resize(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])

commands = b""
while True:
    ready, _, _ = select.select([master, 0], [], [])
    if master in ready:
        try:
            shown = os.read(master, 65536)
        except OSError:  # the command has ended
            break
        if not shown:
            break
        os.write(1, shown)
    if 0 in ready:
        read = os.read(0, 4096)
        if not read:
            os.kill(pid, signal.SIGKILL)
            break
        *lines, commands = (commands + read).split(b"\n")
        for line in lines:
            word, _, value = line.decode().partition(" ")
            if word == "signal":
                os.kill(pid, getattr(signal, "SIG" + value))
            elif word == "columns":
                resize(int(value))
            elif word == "hangup":
                os.close(master)
                os.write(1, b"\n%d\n" % pid)
                sys.exit(0)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
