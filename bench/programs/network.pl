#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# network NODES ARCS: a minimum-cost flow problem in DIMACS format for glpsol, the same at each call. A chain of dear
# arcs makes it feasible.
use strict;
use warnings;

my ($nodes, $arcs) = @ARGV;
srand 1;
my $supplied = int($nodes / 10);
my $supply = 100;
printf "p min %d %d\n", $nodes, $arcs + $nodes - 1;
for my $i (1 .. $supplied) {
    printf "n %d %d\n", $i, $supply;
    printf "n %d %d\n", $nodes - $i + 1, -$supply;
}
for my $i (1 .. $nodes - 1) {
    printf "a %d %d 0 %d 1000\n", $i, $i + 1, $supplied * $supply;
}
for (1 .. $arcs) {
    my $from = 1 + int rand $nodes;
    my $to = 1 + int rand $nodes;
    $to = 1 + $from % $nodes if $to == $from;
    printf "a %d %d 0 %d %d\n", $from, $to, 20 + int rand 200, 1 + int rand 100;
}
