<?xml version="1.0"?>
<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- For Xalan: a page for each town with its orders in the order of their value, and what was sold, by a key. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" indent="yes"/>
  <xsl:key name="by-town" match="order" use="@town"/>
  <xsl:key name="by-name" match="item" use="@name"/>

  <xsl:template match="/orders">
    <html>
      <body>
        <xsl:for-each select="order[generate-id() = generate-id(key('by-town', @town)[1])]">
          <xsl:sort select="@town"/>
          <h1><xsl:value-of select="@town"/></h1>
          <table>
            <xsl:apply-templates select="key('by-town', @town)">
              <xsl:sort select="sum(item/@price)" data-type="number" order="descending"/>
            </xsl:apply-templates>
          </table>
        </xsl:for-each>
        <ul>
          <xsl:for-each select="order/item[generate-id() = generate-id(key('by-name', @name)[1])]">
            <xsl:sort select="@name"/>
            <li>
              <xsl:value-of select="concat(@name, ': ', sum(key('by-name', @name)/@count), ' in ')"/>
              <xsl:value-of select="count(key('by-name', @name)[contains(., 'Article7')])"/>
            </li>
          </xsl:for-each>
        </ul>
      </body>
    </html>
  </xsl:template>

  <xsl:template match="order">
    <tr>
      <td><xsl:value-of select="@id"/></td>
      <td><xsl:number value="position()" format="i"/></td>
      <xsl:for-each select="item">
        <xsl:sort select="@name"/>
        <td title="{translate(., 'ACDEFGIJKLM', 'acdefgijklm')}">
          <xsl:value-of select="@name"/> x <xsl:value-of select="@count"/>
        </td>
      </xsl:for-each>
      <td><xsl:value-of select="format-number(sum(item/@price), '#,##0.00')"/></td>
    </tr>
  </xsl:template>
</xsl:stylesheet>
