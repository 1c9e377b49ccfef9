#!/usr/bin/env python3
"""Writes tests/data/syscalls-RELEASE.txt from the running kernel, for the test that compares THE table with it.

Needs root, <asm/unistd_64.h>, and a kernel with CONFIG_FTRACE_SYSCALLS (it mounts tracefs where it is not).
Names and arguments come from events/syscalls/sys_enter_*/format. Numbers come from the header; for calls newer
than the header, from the kernel itself: the call is made with useless arguments, and the event that fires names it.
One line a call: number, name, argument count, mask of the pointer arguments, their names. "-" where no event tells.
"""
import ctypes
import glob
import os
import re
import signal
import subprocess
import sys

TRACEFS = '/sys/kernel/tracing'
HEADER = '/usr/include/x86_64-linux-gnu/asm/unistd_64.h'
# The event is named by the kernel function, the call by its table.
EVENT_OF = {'stat': 'newstat', 'fstat': 'newfstat', 'lstat': 'newlstat', 'uname': 'newuname',
            'sendfile': 'sendfile64', 'umount2': 'umount'}
# In the kernel's table, but compiled out of many kernels, so that they can't be seen to fire.
WITHOUT_EVENT = {453: 'map_shadow_stack'}
HIGHEST = 500


def read_events():
    events = {}
    for directory in glob.glob(TRACEFS + '/events/syscalls/sys_enter_*'):
        arguments = []
        for line in open(directory + '/format'):
            field = re.match(r'\s*field:(.*);\s*offset:(\d+);', line)
            if field and int(field.group(2)) >= 16:
                arguments.append(field.group(1))
        events[os.path.basename(directory)[len('sys_enter_'):]] = arguments
    return events


def read_header():
    numbers = {}
    for line in open(HEADER):
        define = re.match(r'#define __NR_(\w+) (\d+)', line)
        if define:
            numbers[int(define.group(2))] = define.group(1)
    return numbers


def control(path, text):
    with open(TRACEFS + '/' + path, 'w') as f:
        f.write(text)


def event_fired_by(number):
    """The name of the trace event of call `number`, or None."""
    go_read, go_write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(1)
        os.read(go_read, 1)
        ctypes.CDLL(None).syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        os._exit(0)
    control('trace', '')
    control('set_event_pid', str(child))
    control('tracing_on', '1')
    os.write(go_write, b'x')
    os.waitpid(child, 0)
    control('tracing_on', '0')
    os.close(go_read)
    os.close(go_write)
    lines = [line for line in open(TRACEFS + '/trace') if not line.startswith('#')]
    for i, line in enumerate(lines):
        raw = re.search(r'sys_enter: NR (-?\d+) ', line)
        if not raw or int(raw.group(1)) != number:
            continue
        for near in lines[max(0, i - 1):i + 2]:
            name = re.search(r': sys_(\w+)\(', near)
            if name and name.group(1) not in ('read', 'exit_group', 'alarm'):
                return name.group(1)
    return None


def number_unknown(numbers):
    control('events/syscalls/enable', '1')
    control('events/raw_syscalls/sys_enter/enable', '1')
    try:
        for number in list(range(335, 424)) + list(range(max(numbers) + 1, HIGHEST)):
            name = event_fired_by(number) if number not in numbers else None
            if name:
                numbers[number] = name
    finally:
        control('events/syscalls/enable', '0')
        control('events/raw_syscalls/sys_enter/enable', '0')
        control('set_event_pid', '')
        control('tracing_on', '1')


def line_of(number, name, events):
    arguments = events.get(EVENT_OF.get(name, name))
    if arguments is None:
        return f'{number} {name} - -'
    mask = sum(1 << i for i, a in enumerate(arguments) if '*' in a)
    names = [re.search(r'(\w+)$', a).group(1) for a in arguments]
    return ' '.join([str(number), name, str(len(arguments)), str(mask)] + names)


def main():
    if not os.path.isdir(TRACEFS + '/events'):
        subprocess.run(['mount', '-t', 'tracefs', 't', TRACEFS], check=True)
    events, numbers = read_events(), read_header()
    number_unknown(numbers)
    numbers.update(WITHOUT_EVENT)
    release = '.'.join(os.uname().release.split('.')[:2])
    named = {EVENT_OF.get(name, name) for name in numbers.values()}
    missing = sorted(set(events) - named)
    if missing:
        sys.exit('events without a number: ' + ' '.join(missing))
    path = os.path.join(os.path.dirname(__file__), '..', 'data', f'syscalls-{release}.txt')
    with open(path, 'w') as f:
        f.write(f'# The x86-64 system calls of Linux {release}, made by tests/tools/make_syscall_data.py.\n')
        f.write('# number name argument-count pointer-mask argument-names ("-": the kernel has no event for it)\n')
        for number in sorted(numbers):
            f.write(line_of(number, numbers[number], events) + '\n')


if __name__ == '__main__':
    main()
