// SPDX-License-Identifier: Apache-2.0
package io.backstep.target.process;

import static io.backstep.core.Pages.PAGE_SIZE;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

import io.backstep.core.LongVector;

/**
 * What a standing process looks like from outside: its mappings, of the private ones each page that is not all zero, as a hash, and
 * its descriptors of regular files with offset, flags and length.
 * Read through /proc by other code than what is tested. May be read without touching pages that are not there, since a read
 * makes them be there.
 */
public final class ProcessImage implements AutoCloseable {
    /** Belongs to the descriptor's number, not to the open file, and is not looked at. */
    private static final int CLOSE_ON_EXEC = 02000000;
    private static final int BATCH_PAGES = 256;
    private static final long PRESENT = 1L << 63;
    private static final long SWAPPED = 1L << 62;
    private static final long OF_FILE = 1L << 61;
    private static final ThreadLocal<ByteBuffer> BUFFER = ThreadLocal.withInitial(() -> buffer(BATCH_PAGES * PAGE_SIZE));
    private static final ThreadLocal<ByteBuffer> ENTRIES = ThreadLocal.withInitial(() -> buffer(BATCH_PAGES * Long.BYTES));

    /** Which pages are read. */
    private enum Which {
        /** All. */
        ALL,
        /** All but anonymous pages that are not there. */
        THERE,
        /** Those that are there and do not show a file. */
        OWN
    }

    /** A stretch of addresses with one kind of backing and one protection, whatever mappings the kernel divides it into. */
    private record Mapping(long start, long end, String protection, String backing, long offset) {
        boolean isPrivate() {
            return protection.charAt(3) == 'p';
        }

        boolean goesOnAs(Mapping next) {
            return end == next.start && protection.equals(next.protection) && backing.equals(next.backing)
                    && (backing.isEmpty() || offset + (end - start) == next.offset);
        }

        Mapping until(long newEnd) {
            return new Mapping(start, newEnd, protection, backing, offset);
        }

        @Override
        public String toString() {
            return String.format("%x-%x %s %s+%x", start, end, protection, backing, offset);
        }
    }

    /** Sees a page that is not all zero. */
    private interface PageVisitor {
        void visit(long page, ByteBuffer bytes, int offset);
    }

    private final List<Mapping> mappings;
    private final SortedMap<Integer, String> files;
    private final LongVector pages = new LongVector();
    private final LongVector hashes = new LongVector();

    private ProcessImage(List<Mapping> mappings, SortedMap<Integer, String> files) {
        this.mappings = mappings;
        this.files = files;
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    /**
     * Reads the image of a standing process.
     *
     * @param touch read also the anonymous pages that are not there, which must be zero
     */
    public static ProcessImage of(long pid, boolean touch) {
        ProcessImage image = new ProcessImage(layout(pid), openFiles(pid));
        visit(pid, touch ? Which.ALL : Which.THERE, image.mappings, (page, bytes, offset) -> {
            image.pages.add(page);
            image.hashes.add(hash(bytes, offset));
        });
        return image;
    }

    /** The same pages with their bytes; without touching any. */
    static SortedMap<Long, byte[]> bytesOf(long pid) {
        return bytesOf(pid, Which.THERE);
    }

    /** Those of them that do not show their file. */
    static SortedMap<Long, byte[]> ownBytesOf(long pid) {
        return bytesOf(pid, Which.OWN);
    }

    private static SortedMap<Long, byte[]> bytesOf(long pid, Which which) {
        SortedMap<Long, byte[]> pages = new TreeMap<>();
        visit(pid, which, layout(pid), (page, bytes, offset) -> {
            byte[] copy = new byte[PAGE_SIZE];
            bytes.get(offset, copy);
            pages.put(page, copy);
        });
        return pages;
    }

    private static List<Mapping> layout(long pid) {
        List<Mapping> merged = new ArrayList<>();
        for (String line : lines(Path.of("/proc/" + pid + "/maps"))) {
            if (line.contains("[v") || line.contains("[uprobes]")) {
                continue;
            }
            Mapping mapping = parse(line);
            int last = merged.size() - 1;
            if (last >= 0 && merged.get(last).goesOnAs(mapping)) {
                merged.set(last, merged.get(last).until(mapping.end));
            } else {
                merged.add(mapping);
            }
        }
        return merged;
    }

    private static SortedMap<Integer, String> openFiles(long pid) {
        SortedMap<Integer, String> files = new TreeMap<>();
        try (DirectoryStream<Path> links = Files.newDirectoryStream(Path.of("/proc/" + pid + "/fd"))) {
            for (Path link : links) {
                if (Files.isRegularFile(link)) {
                    List<String> info = lines(Path.of("/proc/" + pid + "/fdinfo").resolve(link.getFileName()));
                    int flags = Integer.parseInt(info.get(1).substring("flags:".length()).trim(), 8) & ~CLOSE_ON_EXEC;
                    files.put(Integer.valueOf(link.getFileName().toString()), String.format("%s of %d bytes at %s flags %o",
                            Files.readSymbolicLink(link), Files.size(link), info.get(0).substring("pos:".length()).trim(), flags));
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException("cannot read the descriptors of process " + pid, e);
        }
        return files;
    }

    private static List<String> lines(Path path) {
        try {
            return Files.readAllLines(path);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** start-end protection offset device inode name */
    private static Mapping parse(String line) {
        String[] words = line.split(" +", 6);
        String[] range = words[0].split("-");
        boolean ofFile = !words[4].equals("0");
        return new Mapping(Long.parseLong(range[0], 16), Long.parseLong(range[1], 16), words[1],
                ofFile ? words[3] + "/" + words[4] : "", ofFile ? Long.parseLong(words[2], 16) : 0);
    }

    private static void visit(long pid, Which which, List<Mapping> mappings, PageVisitor visitor) {
        try (FileChannel memory = FileChannel.open(Path.of("/proc/" + pid + "/mem"), StandardOpenOption.READ);
                FileChannel pagemap = FileChannel.open(Path.of("/proc/" + pid + "/pagemap"), StandardOpenOption.READ)) {
            for (Mapping mapping : mappings) {
                if (mapping.isPrivate()) {
                    boolean all = which == Which.ALL || (which == Which.THERE && !mapping.backing.isEmpty());
                    visit(memory, all ? null : pagemap, mapping.start / PAGE_SIZE, mapping.end / PAGE_SIZE, visitor);
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException("cannot read the memory of process " + pid, e);
        }
    }

    private static void visit(FileChannel memory, FileChannel pagemap, long first, long end, PageVisitor visitor)
            throws IOException {
        for (long page = first; page < end;) {
            int count = (int) Math.min(BATCH_PAGES, end - page);
            if (pagemap == null) {
                visitRun(memory, page, count, visitor);
            } else {
                visitOwn(memory, pagemap, page, count, visitor);
            }
            page += count;
        }
    }

    private static void visitOwn(FileChannel memory, FileChannel pagemap, long first, int count, PageVisitor visitor)
            throws IOException {
        ByteBuffer entries = ENTRIES.get().clear().limit(count * Long.BYTES);
        while (entries.hasRemaining() && pagemap.read(entries, first * Long.BYTES + entries.position()) > 0) {
            continue;
        }
        int start = 0;
        for (int i = 0; i <= count; i++) {
            if (i == count || !isOwn(entries.getLong(i * Long.BYTES))) {
                if (i > start) {
                    visitRun(memory, first + start, i - start, visitor);
                }
                start = i + 1;
            }
        }
    }

    private static boolean isOwn(long entry) {
        return (entry & (PRESENT | SWAPPED)) != 0 && (entry & OF_FILE) == 0;
    }

    /** Pages that cannot be read, because they lie behind the end of a file or are guarded, are passed over. */
    private static void visitRun(FileChannel memory, long first, int count, PageVisitor visitor) {
        ByteBuffer bytes = BUFFER.get();
        for (int done = 0; done < count;) {
            int got = read(memory, bytes, first + done, count - done);
            for (int i = 0; i < got; i++) {
                if (!isZero(bytes, i * PAGE_SIZE)) {
                    visitor.visit(first + done + i, bytes, i * PAGE_SIZE);
                }
            }
            done += Math.max(1, got);
        }
    }

    /** How many pages could be read. */
    private static int read(FileChannel memory, ByteBuffer bytes, long page, int count) {
        bytes.clear().limit(count * PAGE_SIZE);
        try {
            return Math.max(0, memory.read(bytes, page * PAGE_SIZE)) / PAGE_SIZE;
        } catch (IOException e) {
            return 0;
        }
    }

    private static boolean isZero(ByteBuffer bytes, int offset) {
        long any = 0;
        for (int i = offset; i < offset + PAGE_SIZE && any == 0; i += Long.BYTES) {
            any |= bytes.getLong(i);
        }
        return any == 0;
    }

    /** Two independent 64-bit sums, folded. Never 0. */
    private static long hash(ByteBuffer bytes, int offset) {
        long a = 0x9E3779B97F4A7C15L;
        long b = 0;
        for (int i = offset; i < offset + PAGE_SIZE; i += Long.BYTES) {
            a = (a ^ bytes.getLong(i)) * 0xBF58476D1CE4E5B9L;
            a ^= a >>> 31;
            b += a;
        }
        return (a ^ Long.rotateLeft(b, 32)) | 1;
    }

    public long pageCount() {
        return pages.size();
    }

    /** What differs in another image of the same process, for people; null if nothing does. */
    public String difference(ProcessImage other) {
        if (!mappings.equals(other.mappings)) {
            List<Mapping> missing = new ArrayList<>(mappings);
            missing.removeAll(other.mappings);
            List<Mapping> extra = new ArrayList<>(other.mappings);
            extra.removeAll(mappings);
            return "mappings: expected " + missing + ", found " + extra;
        }
        if (!files.equals(other.files)) {
            return "open files: expected " + files + ", found " + other.files;
        }
        List<String> found = new ArrayList<>();
        long i = 0;
        long k = 0;
        while (i < pages.size() || k < other.pages.size()) {
            long here = i < pages.size() ? pages.get(i) : Long.MAX_VALUE;
            long there = k < other.pages.size() ? other.pages.get(k) : Long.MAX_VALUE;
            if (here != there || hashes.get(i) != other.hashes.get(k)) {
                found.add(describe(Math.min(here, there), here < there ? " became zero" : here > there ? " was zero" : " differs"));
            }
            i += here <= there ? 1 : 0;
            k += there <= here ? 1 : 0;
        }
        return found.isEmpty() ? null : found.size() + " of " + pages.size() + " pages: " + found.subList(0, Math.min(10, found.size()));
    }

    private String describe(long page, String how) {
        String in = mappings.stream().filter(m -> m.start <= page * PAGE_SIZE && page * PAGE_SIZE < m.end).findFirst()
                .map(Mapping::toString).orElse("no mapping");
        return Long.toHexString(page * PAGE_SIZE) + how + " (in " + in + ")";
    }

    @Override
    public void close() {
        pages.close();
        hashes.close();
    }
}
