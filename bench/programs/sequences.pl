#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# sequences alignment COLUMNS: a protein family as an aligned FASTA file, for hmmbuild.
# sequences database COLUMNS COUNT: proteins for hmmsearch, one in ten of them from that family. The same at each call.
use strict;
use warnings;

my ($what, $columns, $count) = @ARGV;
my @letters = split //, 'ACDEFGHIKLMNPQRSTVWY';

sub random_protein {
    return join '', map { $letters[int rand @letters] } 1 .. $_[0];
}

sub relative {
    my ($ancestor, $changed, $gap) = @_;
    return join '', map { rand() < $changed ? $letters[int rand @letters] : rand() < $gap ? '-' : $_ }
        split //, $ancestor;
}

sub fasta {
    my ($name, $protein) = @_;
    print ">$name\n";
    print "$_\n" for unpack '(A60)*', $protein;
}

srand 1;
my $ancestor = random_protein($columns);
srand 2;
if ($what eq 'alignment') {
    fasta("member$_", relative($ancestor, 0.4, 0.05)) for 1 .. 40;
} else {
    for my $i (1 .. $count) {
        my $protein = random_protein(100 + int rand 500);
        if ($i % 10 == 0) {
            my $member = relative($ancestor, 0.5, 0.05);
            $member =~ tr/-//d;
            substr($protein, int rand length $protein, 0) = $member;
        }
        fasta("protein$i", $protein);
    }
}
