// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.regions;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.concurrent.TimeUnit;

import io.backstep.target.region.Region;
import org.agrona.UnsafeApi;
import org.agrona.collections.Long2ObjectHashMap;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** What else would keep a copy of as many bytes of records: all at once each time, since nobody tells what changed. */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class Instead {
    private static final int RECORD_BYTES = 64;
    private static final int RECORDS = DirtyCheckpoint.MIB * Memory.MIB / RECORD_BYTES;

    /** As many bytes of content as a record has in a region. */
    static final class Account implements Serializable {
        private static final long serialVersionUID = 1;

        private long id;
        private long owner;
        private long balance;
        private long reserved;
        private long limit;
        private long opened;
        private long changed;
        private long flags;

        Account(long id) {
            this.id = id;
        }

        Account(Account other) {
            id = other.id;
            owner = other.owner;
            balance = other.balance;
            reserved = other.reserved;
            limit = other.limit;
            opened = other.opened;
            changed = other.changed;
            flags = other.flags;
        }
    }

    @State(Scope.Thread)
    public static class Buffer {
        private final Region region = Memory.ofSmallPages(DirtyCheckpoint.MIB);
        private final Region shadow = Memory.ofSmallPages(DirtyCheckpoint.MIB);
    }

    @State(Scope.Thread)
    public static class Records {
        private final Long2ObjectHashMap<Account> accounts = new Long2ObjectHashMap<>();

        @Setup
        public void fill() {
            for (long id = 0; id < RECORDS; id++) {
                accounts.put(id, new Account(id));
            }
        }
    }

    @State(Scope.Thread)
    public static class Bytes {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(2 * DirtyCheckpoint.MIB * Memory.MIB);
        private final Account[] accounts = new Account[RECORDS];

        @Setup
        public void fill() {
            for (int id = 0; id < RECORDS; id++) {
                accounts[id] = new Account(id);
            }
        }
    }

    @Benchmark
    public void copyOfBuffer(Buffer buffer) {
        UnsafeApi.copyMemory(buffer.region.address(), buffer.shadow.address(), buffer.region.lengthBytes());
    }

    @Benchmark
    public Object copyOfMap(Records records) {
        Long2ObjectHashMap<Account> shadow = new Long2ObjectHashMap<>(2 * RECORDS, 0.65f);
        records.accounts.forEachLong((id, account) -> shadow.put(id, new Account(account)));
        return shadow;
    }

    @Benchmark
    public int serialised(Bytes to) throws IOException {
        to.bytes.reset();
        try (ObjectOutputStream out = new ObjectOutputStream(to.bytes)) {
            out.writeObject(to.accounts);
        }
        return to.bytes.size();
    }
}
