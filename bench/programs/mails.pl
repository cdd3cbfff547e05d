#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# For perl: reads a number of mails from standard input, makes them up and does with each what a mail filter does: takes
# it apart, tries rules on it, learns its words, compares it with the mail before, files it. The same at each run.
use strict;
use warnings;

my $mails = <STDIN>;
srand 1;

my @syllables = qw(ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu);
my @words = map { join '', map { $syllables[rand @syllables] } 0 .. 1 + rand 3 } 1 .. 5000;
my @rules = map { [qr/\b$words[$_]\b.{0,80}\b\w*$syllables[$_ % 20]\b/i, 1 + $_ % 7] } 1 .. 60;
my (%seen, %spam, %folder, @previous);

sub text {
    return join ' ', map { $words[@words * rand() ** 2] } 1 .. $_[0];
}

sub mail {
    my $mail = sprintf "From: %s\@%s.example\nTo: me\@home.example\nSubject: %s\nMessage-Id: <%d>\n",
        text(1), text(1), text(5), rand 1e9;
    $mail .= "Received: from relay$_ by relay" . ($_ + 1) . "\n" for 1 .. 4;
    return $mail . "\n" . join '', map { ucfirst(text(8 + rand 8)) . ".\n" } 1 .. 10 + rand 40;
}

sub encoded {
    my ($text) = @_;
    $text =~ s/([aeiou]{1}[xyz])/sprintf '=%02X', ord $1/ge;
    return join "=\n", unpack '(A72)*', pack 'u', $text;
}

for my $number (1 .. $mails) {
    my ($head, $body) = split /\n\n/, mail(), 2;
    my %field;
    while ($head =~ /^([\w-]+):\s*(.*)$/gm) {
        push @{$field{lc $1}}, $2;
    }
    my $score = 0;
    for my $rule (@rules) {
        $score += $rule->[1] if $body =~ $rule->[0];
    }
    my %here;
    $here{$_}++ for map { lc } $body =~ /(\w{3,})/g;
    for my $word (sort keys %here) {
        $seen{$word} += $here{$word};
        $spam{$word}++ if $score > 12;
    }
    my %before = map { $_ => 1 } @previous;
    my @lines = split /\n/, $body;
    my $new = grep { !$before{$_} } @lines;
    @previous = sort { length $a <=> length $b || $a cmp $b } @lines;
    my ($name) = $field{from}[0] =~ /^(\w)/;
    $folder{$name}{mails}++;
    $folder{$name}{score} += $score;
    $folder{$name}{new} += $new;
    $folder{$name}{sum} = unpack '%32C*', encoded($body) . ($folder{$name}{sum} // '');
}

for my $name (sort keys %folder) {
    print "$name: ", join(', ', map { "$_ $folder{$name}{$_}" } sort keys %{$folder{$name}}), "\n";
}
for my $word ((sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen)[0 .. 49]) {
    printf "%-12s %7d %6d\n", $word, $seen{$word}, $spam{$word} // 0;
}
