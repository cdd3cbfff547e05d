#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# For perl: reads a number of sentences from standard input, makes them up from invented words, and works on them as mail filters and
# report writers do: regular expressions, hashes of hashes, splitting, joining, sorting. The same at each run.
use strict;
use warnings;

my $sentences = <STDIN>;
srand 1;

my @syllables = qw(ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu);
my @words = map { join '', map { $syllables[rand @syllables] } 0 .. 1 + rand 3 } 1 .. 20000;
my (%follows, %count, %length, @kept);

for my $number (1 .. $sentences) {
    my $sentence = ucfirst join(' ', map { $words[@words * rand() ** 2] } 1 .. 8 + rand 12) . '.';
    $sentence =~ s/\b(\w)(\w+?)ba\b/$1ab$2/g;
    my @parts = split /[\s.]+/, lc $sentence;
    for my $i (0 .. $#parts) {
        $count{$parts[$i]}++;
        $follows{$parts[$i]}{$parts[$i + 1]}++ if $i < $#parts;
    }
    $length{length $sentence}++;
    push @kept, $sentence if $sentence =~ /^(?:Ha|Je)\w*(?=.*\b(\w+)\b.*\b\1\b)/;
    if ($number % 1000 == 0) {
        for my $word (grep { $count{$_} < 2 } keys %count) {
            delete $follows{$word};
        }
    }
}

for my $word ((sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 99]) {
    my $next = $follows{$word} || {};
    my ($best) = sort { $next->{$b} <=> $next->{$a} || $a cmp $b } keys %$next;
    printf "%-12s %6d %s\n", $word, $count{$word}, $best // '';
}
print join(' ', map { "$_:$length{$_}" } sort { $a <=> $b } keys %length), "\n";
print scalar(@kept), " kept, first: ", $kept[0] // '', "\n";
