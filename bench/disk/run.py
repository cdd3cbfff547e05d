#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What serving a disk by `backstep disk` costs, beside qemu-nbd on a copy of the same image.

Each round runs `qemu-img bench`, QEMU's own client, against each server in turn, for each pattern. Servers stay up. Printed
are the medians over the rounds, the quartiles, and the ratio to qemu-nbd of the same round, as median and quartiles:
above 1 is slower. The image lies in the page cache, so what is compared is the servers and not the disk.

    run.py [ROUNDS]       default 15
"""
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IMAGE_MIB = 512
MARK_EVERY_S = 0.05
KEEP = 3
# Name, arguments of qemu-img bench, requests. A step that shares no factor with the size goes everywhere, like random ones.
SCATTER = str(4096 * 40503)
PATTERNS = [
    ('4 KiB scattered reads, one at a time', ['-d', '1', '-s', '4096', '-S', SCATTER], 6000),
    ('4 KiB scattered writes, one at a time', ['-w', '-d', '1', '-s', '4096', '-S', SCATTER], 6000),
    ('4 KiB scattered reads, 16 at a time', ['-d', '16', '-s', '4096', '-S', SCATTER], 12000),
    ('4 KiB scattered writes, 16 at a time', ['-w', '-d', '16', '-s', '4096', '-S', SCATTER], 12000),
    ('1 MiB sequential reads, 4 at a time', ['-d', '4', '-s', '1M'], 512),
    ('1 MiB sequential writes, 4 at a time', ['-w', '-d', '4', '-s', '1M'], 512),
]


class Marks:
    """Sets a mark every 50 ms and keeps three, like a protected VM."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile('rw')
        self.latencies = []
        self.next = 1
        self.ending = threading.Event()
        self.thread = None

    def ask(self, text):
        self.lines.write(text + '\n')
        self.lines.flush()
        reply = self.lines.readline()
        if not reply.startswith('ok'):
            raise SystemExit('bench: ' + text + ': ' + reply)

    def begin(self):
        self.ending.clear()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.wait(MARK_EVERY_S):
            begun = time.perf_counter()
            self.ask('mark %d' % self.next)
            self.latencies.append((time.perf_counter() - begun) * 1e6)
            if self.next > KEEP:
                self.ask('drop %d' % (self.next - KEEP))
            self.next += 1

    def end(self):
        self.ending.set()
        self.thread.join()
        for mark in range(max(1, self.next - KEEP), self.next):
            self.ask('drop %d' % mark)


def serve(command, path):
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not os.path.exists(path):
        if process.poll() is not None:
            raise SystemExit('bench: %s ended with %d' % (command[0], process.returncode))
        time.sleep(0.01)
    return process


def run(path, arguments, requests):
    out = subprocess.run(['qemu-img', 'bench', '-f', 'raw', '-c', str(requests), *arguments, 'nbd+unix:///?socket=' + path],
                         stdout=subprocess.PIPE, check=True, text=True, timeout=120).stdout
    return float(re.search(r'Run completed in ([0-9.]+) seconds', out).group(1)) / requests * 1e6


def quartiles(values):
    ordered = sorted(values)
    return statistics.median(ordered), ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    directory = tempfile.mkdtemp(prefix='backstep-bench-')
    processes = []
    try:
        paths = {}
        for name in ('qemu-nbd', 'backstep'):
            image = os.path.join(directory, name + '.img')
            with open(image, 'wb') as file:
                for _ in range(IMAGE_MIB):
                    file.write(os.urandom(1 << 20))
            paths[name] = os.path.join(directory, name)
        processes.append(serve(['qemu-nbd', '--persistent', '--shared=4', '--format=raw', '--cache=writeback', '--discard=unmap',
                                '--socket=' + paths['qemu-nbd'], paths['qemu-nbd'] + '.img'], paths['qemu-nbd']))
        processes.append(serve([os.path.join(HOME, 'backstep'), 'disk', '--format', 'raw', '--socket', paths['backstep'],
                                paths['backstep'] + '.img'], paths['backstep']))
        marks = Marks(paths['backstep'] + '.ctl')
        ways = [('qemu-nbd', 'qemu-nbd', False), ('backstep', 'backstep', False), ('with marks', 'backstep', True)]
        found = {(pattern[0], way[0]): [] for pattern in PATTERNS for way in ways}
        for round_ in range(rounds + 1):
            for pattern, arguments, requests in PATTERNS:
                for way, server, marked in ways[round_ % 3:] + ways[:round_ % 3]:
                    if marked:
                        marks.begin()
                    us = run(paths[server], arguments, requests)
                    if marked:
                        marks.end()
                    if round_ > 0:
                        found[pattern, way].append(us)
        print('%-40s%-12s%28s%28s' % ('us per request', '', 'median (quartiles)', 'to qemu-nbd (quartiles)'))
        for pattern, _, _ in PATTERNS:
            for way, _, _ in ways:
                values = found[pattern, way]
                ratios = [mine / theirs for mine, theirs in zip(values, found[pattern, 'qemu-nbd'])]
                print('%-40s%-12s%28s%28s' % (pattern, way, '%.1f (%.1f to %.1f)' % quartiles(values),
                                              '%.2f (%.2f to %.2f)' % quartiles(ratios)))
        latencies = sorted(marks.latencies)
        print('a mark: p50 %.0f us, p99 %.0f us, max %.0f us, of %d' % (
            latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100], latencies[-1], len(latencies)))
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        shutil.rmtree(directory)


main()
