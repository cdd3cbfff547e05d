#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# records COUNT: orders in XML, for Xalan. The same at each call.
use strict;
use warnings;

my ($count) = @ARGV;
my @towns = map { "Town$_" } 1 .. 200;
my @goods = map { "Article$_" } 1 .. 500;
srand 1;
print "<orders>\n";
for my $order (1 .. $count) {
    printf "  <order id=\"%d\" town=\"%s\">\n", $order, $towns[rand @towns];
    for (0 .. rand 6) {
        printf "    <item name=\"%s\" count=\"%d\" price=\"%.2f\">%s</item>\n",
            $goods[rand @goods], 1 + rand 20, 1 + rand 100, join ' ', map { $goods[rand @goods] } 1 .. 4;
    }
    print "  </order>\n";
}
print "</orders>\n";
