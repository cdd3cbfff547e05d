# SPDX-License-Identifier: Apache-2.0
#
# For ns2: a random network of routers with hosts that send files by TCP through queues that overflow, and some that
# talk all the time. Reads nodes, flows and simulated seconds from standard input; prints what has come through. The
# same at each run.

lassign [gets stdin] nodes flows seconds
ns-random 1
set ns [new Simulator]

set random [new RNG]
$random seed 2

for {set i 0} {$i < $nodes} {incr i} {
    set node($i) [$ns node]
    if {$i > 0} {
        set to [$random integer $i]
        $ns duplex-link $node($i) $node($to) [expr {2 + [$random integer 8]}]Mb [expr {1 + [$random integer 20]}]ms RED
        $ns queue-limit $node($i) $node($to) 40
    }
}
for {set i 0} {$i < $flows} {incr i} {
    set from [$random integer $nodes]
    set to [expr {($from + 1 + [$random integer [expr {$nodes - 1}]]) % $nodes}]
    if {$i % 4 == 0} {
        set source [new Agent/UDP]
        set sink($i) [new Agent/LossMonitor]
        set traffic [new Application/Traffic/Exponential]
        $traffic set rate_ 200k
    } else {
        set source [new Agent/TCP/Newreno]
        set sink($i) [new Agent/TCPSink]
        set traffic [new Application/FTP]
    }
    $ns attach-agent $node($from) $source
    $ns attach-agent $node($to) $sink($i)
    $ns connect $source $sink($i)
    $traffic attach-agent $source
    $ns at [expr {0.01 * $i}] "$traffic start"
}

proc finish {} {
    global flows sink
    for {set i 0} {$i < $flows} {incr i} {
        puts "flow $i: [$sink($i) set [expr {$i % 4 == 0 ? "npkts_" : "bytes_"}]]"
    }
    exit 0
}

$ns at $seconds finish
$ns run
