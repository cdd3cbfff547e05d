// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * A short visit to a machine that stands, as a debugger, by QEMU's server for gdb and gdb's remote protocol. The machine
 * stands all the time, and the server is gone afterwards. All failures are FAILED.
 *
 * <p>A packet is {@code $CONTENT#XX}, with the sum of the content's bytes in hex, and is answered by {@code +} and a packet.
 */
final class Debugger implements AutoCloseable {
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(10);
    private static final String SERVER = "gdb"; // QEMU's own name for it
    private static final int CHUNK = 0x800;
    private static final Pattern CORE_FILE = Pattern.compile("<xi:include href=\"([^\"]+)\"/>");
    private static final Pattern COMMENT = Pattern.compile("<!--.*?-->", Pattern.DOTALL);
    private static final Pattern REGISTER = Pattern.compile("<reg name=\"([^\"]+)\"");

    private final Monitor monitor;
    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer in = ByteBuffer.allocate(1 << 14);
    private final List<String> threads = new ArrayList<>();
    private final List<String> registers = new ArrayList<>();

    private Debugger(Monitor monitor, SocketChannel channel, Selector selector) {
        this.monitor = monitor;
        this.channel = channel;
        this.selector = selector;
    }

    /**
     * Visits.
     *
     * @param socket where QEMU is to listen meanwhile
     */
    static Debugger open(Monitor monitor, Path socket) {
        if (isServed(monitor)) {
            throw new BackstepException(Reason.FAILED, "QEMU's server for gdb is in use (option -s or -gdb, or the command "
                    + "gdbserver); faults need it");
        }
        String place = "unix:" + socket.toString().replace(",", ",,") + ",server=on,wait=off";
        String told = monitor.executeForPeople(
                "gdbserver \"" + place.replace("\\", "\\\\").replace("\"", "\\\"") + "\"").trim();
        if (!isServed(monitor)) {
            throw new BackstepException(Reason.FAILED, "QEMU does not start its server for gdb: " + told);
        }
        Debugger debugger = null;
        try {
            SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            Selector selector = Selector.open();
            channel.register(selector, SelectionKey.OP_READ);
            debugger = new Debugger(monitor, channel, selector);
            debugger.learn();
            return debugger;
        } catch (IOException e) {
            end(monitor);
            throw new BackstepException(Reason.FAILED, "cannot reach QEMU's server for gdb: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            if (debugger != null) {
                debugger.close();
            }
            throw e;
        }
    }

    private static boolean isServed(Monitor monitor) {
        return ((List<?>) monitor.execute("query-chardev")).stream()
                .anyMatch(device -> SERVER.equals(((Map<?, ?>) device).get("label")));
    }

    private static void end(Monitor monitor) {
        monitor.executeForPeople("gdbserver none");
    }

    /** What there is; registers can be asked for one by one only after that. */
    private void learn() {
        Matcher core = CORE_FILE.matcher(file("target.xml"));
        if (core.find()) {
            Matcher names = REGISTER.matcher(COMMENT.matcher(file(core.group(1))).replaceAll(""));
            while (names.find()) {
                registers.add(names.group(1));
            }
        }
        for (String told = ask("qfThreadInfo"); told.startsWith("m"); told = ask("qsThreadInfo")) {
            threads.addAll(List.of(told.substring(1).split(",")));
        }
    }

    private String file(String name) {
        StringBuilder text = new StringBuilder();
        String part;
        do {
            part = ask(String.format("qXfer:features:read:%s:%x,%x", name, text.length(), CHUNK));
            if (!part.startsWith("m") && !part.startsWith("l")) {
                throw new BackstepException(Reason.FAILED, "QEMU's server for gdb does not tell of registers: " + part);
            }
            text.append(part, 1, part.length());
        } while (part.startsWith("m"));
        return text.toString();
    }

    /* ---- registers ---- */

    /** What is in a register of up to eight bytes. */
    long register(int thread, String register) {
        return ofBytes(registerBytes(thread, numberOf(register)));
    }

    void flipRegister(int thread, String register, long mask) {
        int number = numberOf(register);
        byte[] bytes = registerBytes(thread, number);
        byte[] flipped = flipped(bytes, mask);
        requireOk("P" + Integer.toHexString(number) + "=" + HexFormat.of().formatHex(flipped), "write " + register);
    }

    private int numberOf(String register) {
        int number = registers.indexOf(register);
        if (number < 0) {
            throw new BackstepException(Reason.FAILED, "the machine's processors have no register " + register);
        }
        return number;
    }

    private byte[] registerBytes(int thread, int number) {
        if (thread >= threads.size()) {
            throw new BackstepException(Reason.FAILED, "the machine has no vCPU " + thread);
        }
        requireOk("Hg" + threads.get(thread), "choose vCPU " + thread);
        return bytes(ask("p" + Integer.toHexString(number)), "read " + registers.get(number));
    }

    /* ---- memory ---- */

    /** Inverts bits of eight bytes at a guest-physical address. */
    void flipMemory(long address, long mask) {
        requireOk("Qqemu.PhyMemMode:1", "reach physical memory");
        try {
            String at = Long.toHexString(address) + "," + Integer.toHexString(Long.BYTES);
            byte[] flipped = flipped(bytes(ask("m" + at), "read memory"), mask);
            requireOk("M" + at + ":" + HexFormat.of().formatHex(flipped), "write memory");
            if (ofBytes(bytes(ask("m" + at), "read memory")) != ofBytes(flipped)) {
                throw new BackstepException(Reason.FAILED, "what was written to 0x" + Long.toHexString(address)
                        + " is not there");
            }
        } finally {
            requireOk("Qqemu.PhyMemMode:0", "leave physical memory"); // QEMU would remember it
        }
    }

    private static byte[] flipped(byte[] bytes, long mask) {
        byte[] flipped = bytes.clone();
        for (int i = 0; i < Math.min(bytes.length, Long.BYTES); i++) {
            flipped[i] ^= (byte) (mask >>> i * Byte.SIZE);
        }
        return flipped;
    }

    private static long ofBytes(byte[] bytes) {
        ByteBuffer word = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        word.put(bytes, 0, Math.min(bytes.length, Long.BYTES));
        return word.getLong(0);
    }

    /* ---- packets ---- */

    private void requireOk(String packet, String what) {
        String answer = ask(packet);
        if (!answer.equals("OK")) {
            throw refused(what, answer);
        }
    }

    private static byte[] bytes(String answer, String what) {
        try {
            byte[] bytes = HexFormat.of().parseHex(answer);
            if (bytes.length > 0) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            throw refused(what, answer);
        }
        throw refused(what, answer);
    }

    private static BackstepException refused(String what, String answer) {
        return new BackstepException(Reason.FAILED, "QEMU's server for gdb does not " + what + ": '" + answer + "'");
    }

    private String ask(String packet) {
        byte[] content = packet.getBytes(StandardCharsets.ISO_8859_1);
        int sum = 0;
        for (byte each : content) {
            sum += each & 0xff;
        }
        try {
            write("$" + packet + String.format("#%02x", sum & 0xff));
            long deadlineNs = System.nanoTime() + PATIENCE_NS;
            String answer;
            while ((answer = take()) == null) {
                await(deadlineNs);
            }
            write("+");
            return answer;
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "QEMU's server for gdb: " + e.getMessage(), e);
        }
    }

    private void write(String text) throws IOException {
        ByteBuffer out = ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
        while (out.hasRemaining()) {
            channel.write(out);
        }
    }

    private void await(long deadlineNs) throws IOException {
        long leftMs = TimeUnit.NANOSECONDS.toMillis(deadlineNs - System.nanoTime());
        if (leftMs <= 0) {
            throw new IOException("no answer within " + TimeUnit.NANOSECONDS.toSeconds(PATIENCE_NS) + " s");
        }
        selector.select(leftMs);
        selector.selectedKeys().clear();
        if (channel.read(in) < 0) {
            throw new IOException("the connection was closed");
        }
    }

    /** The content of the packet that has come whole, or null. */
    private String take() throws IOException {
        String text = new String(in.array(), 0, in.position(), StandardCharsets.ISO_8859_1);
        int begin = text.indexOf('$');
        int end = text.indexOf('#', begin + 1);
        if (begin < 0 || end < 0 || text.length() < end + "#XX".length()) {
            if (!in.hasRemaining()) {
                throw new IOException("an answer without end");
            }
            return null;
        }
        in.flip().position(end + "#XX".length());
        in.compact();
        return text.substring(begin + 1, end);
    }

    /** The server ends; the machine stands. */
    @Override
    public void close() {
        try {
            end(monitor);
        } finally {
            try {
                selector.close();
                channel.close();
            } catch (IOException e) {
                throw new BackstepException(Reason.FAILED, "closing the connection to QEMU: " + e.getMessage(), e);
            }
        }
    }
}
