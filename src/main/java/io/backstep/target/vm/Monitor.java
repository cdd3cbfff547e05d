// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.vm;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

import io.backstep.core.BackstepException;
import io.backstep.core.BackstepException.Reason;

/**
 * A connection to a monitor of QEMU by its machine protocol (QMP). Commands are answered in their order, so several may
 * be under way; events that come in between are kept. Confined to one thread, but for {@link #wake()}.
 *
 * <p>Failures are {@link BackstepException}s. FAILED: QEMU refused a command, or did not answer in time. GONE: it has
 * ended, or closed the connection.
 */
final class Monitor implements AutoCloseable {
    private static final long PATIENCE_NS = TimeUnit.SECONDS.toNanos(20);
    private static final long GREETING_NS = TimeUnit.SECONDS.toNanos(3);
    private static final int FIRST_ROOM = 1 << 16;

    private final SocketChannel channel;
    private final Selector selector;
    private final Deque<MonitorEvent> events = new ArrayDeque<>();
    private final Deque<Sent> sent = new ArrayDeque<>();
    private ByteBuffer in = ByteBuffer.allocate(FIRST_ROOM);
    private int scanned;
    private long nextId = 1;
    private Map<String, Object> early; // an answer that was not received yet
    private ByteBuffer heldBack; // the end of a command that was sent without it
    private volatile boolean woken;

    private record Sent(long id, String command) {
    }

    private Monitor(SocketChannel channel, Selector selector) {
        this.channel = channel;
        this.selector = selector;
    }

    /**
     * Connects and agrees on capabilities.
     *
     * @throws BackstepException UNFIT: there is no such monitor, or it serves somebody else
     */
    static Monitor connect(Path socket) {
        Monitor monitor;
        try {
            SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            Selector selector = Selector.open();
            channel.register(selector, SelectionKey.OP_READ);
            monitor = new Monitor(channel, selector);
        } catch (IOException e) {
            throw new BackstepException(Reason.UNFIT, "cannot reach a monitor of QEMU at " + socket + ": "
                    + e.getMessage(), e);
        }
        try {
            monitor.greet(socket);
            return monitor;
        } catch (RuntimeException e) {
            monitor.close();
            throw e;
        }
    }

    private void greet(Path socket) {
        Map<String, Object> greeting;
        try {
            greeting = message(System.nanoTime() + GREETING_NS, false);
        } catch (BackstepException e) {
            throw new BackstepException(Reason.UNFIT, "what is at " + socket + " is no QMP monitor: "
                    + e.getMessage(), e);
        }
        if (greeting == null) {
            throw new BackstepException(Reason.UNFIT, "the monitor at " + socket
                    + " does not answer: it serves one client at a time, who may be another");
        }
        if (!greeting.containsKey("QMP")) {
            throw new BackstepException(Reason.UNFIT, "what answers at " + socket + " is no QMP monitor");
        }
        execute("qmp_capabilities");
    }

    /* ---- commands ---- */

    Object execute(String command) {
        return execute(command, Map.of());
    }

    /** Has a command done and gives what it returned. */
    Object execute(String command, Map<String, Object> arguments) {
        send(command, arguments);
        while (sent.size() > 1) { // an answer that nobody waited for any more
            receive();
        }
        return receive();
    }

    /** A command of the monitor for people; its answer is text. */
    String executeForPeople(String line) {
        return String.valueOf(execute("human-monitor-command", Map.of("command-line", line)));
    }

    /** The same, for what depends on a processor. */
    String executeForPeople(String line, int cpu) {
        return String.valueOf(execute("human-monitor-command", Map.of("command-line", line, "cpu-index", cpu)));
    }

    /** Begins a command; {@link #receive} gives its answer. */
    void send(String command, Map<String, Object> arguments) {
        write(ByteBuffer.wrap(nextLine(command, arguments)));
    }

    /**
     * Sends a command but for its end, so that QEMU, which reads byte by byte, has little left to read when it is to begin.
     * Nothing else may be sent before {@link #sendEnd}.
     */
    void sendButEnd(String command, Map<String, Object> arguments) {
        byte[] line = nextLine(command, arguments);
        int end = line.length - 1;
        while (line[end] != '}') {
            end--;
        }
        write(ByteBuffer.wrap(line, 0, end));
        heldBack = ByteBuffer.wrap(line, end, line.length - end);
    }

    /** Begins the command that was sent but for its end; {@link #receive} gives its answer. */
    void sendEnd() {
        write(heldBack);
        heldBack = null;
    }

    /** The line of a command that is sent now, and awaits its answer from here on. */
    private byte[] nextLine(String command, Map<String, Object> arguments) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("execute", command);
        if (!arguments.isEmpty()) {
            message.put("arguments", arguments);
        }
        message.put("id", nextId);
        sent.addLast(new Sent(nextId++, command));
        return Json.line(message);
    }

    private void write(ByteBuffer out) {
        try {
            while (out.hasRemaining()) {
                channel.write(out);
            }
        } catch (IOException e) {
            throw gone(e);
        }
    }

    /** The answer to the oldest command that has none yet. */
    Object receive() {
        Sent command = sent.removeFirst();
        long deadlineNs = System.nanoTime() + PATIENCE_NS;
        while (true) {
            Map<String, Object> message = early == null ? message(deadlineNs, false) : early;
            early = null;
            if (message == null) {
                throw new BackstepException(Reason.FAILED, "QEMU did not answer '" + command.command + "' within "
                        + TimeUnit.NANOSECONDS.toSeconds(PATIENCE_NS) + " s");
            }
            if (!keepEvent(message) && message.get("id") instanceof Number id && id.longValue() == command.id) {
                return result(command.command, message);
            }
        }
    }

    /** Whether {@link #receive} would not have to wait. */
    boolean isAnswered() {
        while (early == null) {
            Map<String, Object> message = message(System.nanoTime(), false);
            if (message == null) {
                return false;
            }
            early = keepEvent(message) ? null : message;
        }
        return true;
    }

    /** How many answers are still to be received. */
    int pending() {
        return sent.size();
    }

    private static Object result(String command, Map<String, Object> message) {
        if (message.get("error") instanceof Map<?, ?> error) {
            throw new BackstepException(Reason.FAILED, "QEMU refused '" + command + "': " + error.get("desc"));
        }
        return message.get("return");
    }

    /* ---- events ---- */

    /** The next event, or null if none comes before the deadline (System.nanoTime) or a {@link #wake()}. */
    MonitorEvent nextEvent(long deadlineNs) {
        while (events.isEmpty()) {
            Map<String, Object> message = message(deadlineNs, true);
            if (message == null) {
                return null;
            }
            keepEvent(message);
        }
        return events.removeFirst();
    }

    /** An event that has come and was not looked at yet, or null. */
    MonitorEvent pollEvent() {
        return events.pollFirst();
    }

    /** Ends a wait for an event early, the present or the next. Any thread. */
    void wake() {
        woken = true;
        selector.wakeup();
    }

    @SuppressWarnings("unchecked") // members of an object
    private boolean keepEvent(Map<String, Object> message) {
        if (!(message.get("event") instanceof String name)) {
            return false;
        }
        Object data = message.get("data");
        events.addLast(new MonitorEvent(name, data == null ? Map.of() : (Map<String, Object>) data, System.nanoTime()));
        return true;
    }

    /* ---- lines ---- */

    /** The next message, or null. What is there already is given without waiting. */
    @SuppressWarnings("unchecked") // every message is an object
    private Map<String, Object> message(long deadlineNs, boolean endsByWake) {
        try {
            for (int end; (end = lineEnd()) < 0;) {
                if (!fill() && (isWoken(endsByWake) || !await(deadlineNs))) {
                    return null;
                }
            }
            if (takeLine() instanceof Map<?, ?> message) {
                return (Map<String, Object>) message;
            }
            throw new IOException("a message that is no object");
        } catch (IOException e) {
            throw gone(e);
        }
    }

    private boolean isWoken(boolean counts) {
        boolean was = counts && woken;
        woken = woken && !was;
        return was;
    }

    private int lineEnd() {
        for (; scanned < in.position(); scanned++) {
            if (in.get(scanned) == '\n') {
                return scanned;
            }
        }
        return -1;
    }

    private Object takeLine() throws IOException {
        Object value = Json.parse(in.array(), 0, scanned);
        in.flip();
        in.position(scanned + 1);
        in.compact();
        scanned = 0;
        return value;
    }

    private boolean fill() throws IOException {
        if (!in.hasRemaining()) {
            in = ByteBuffer.allocate(2 * in.capacity()).put(in.flip());
        }
        int count = channel.read(in);
        if (count < 0) {
            throw new IOException("the connection was closed");
        }
        return count > 0;
    }

    /** Waits for more to read; in whole milliseconds, rather longer. False when the deadline has come. */
    private boolean await(long deadlineNs) throws IOException {
        long left = deadlineNs - System.nanoTime();
        if (left <= 0) {
            return false;
        }
        selector.select(left / TimeUnit.MILLISECONDS.toNanos(1) + 1);
        selector.selectedKeys().clear();
        return true;
    }

    private static BackstepException gone(IOException e) {
        return new BackstepException(Reason.GONE, "QEMU has gone: " + e.getMessage(), e);
    }

    @Override
    public void close() {
        try {
            selector.close();
            channel.close();
        } catch (IOException e) {
            throw new BackstepException(Reason.FAILED, "closing the connection to QEMU: " + e.getMessage(), e);
        }
    }
}
