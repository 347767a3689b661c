import Testing

@testable import Reports

/// Pages whose places are filled.
@Suite struct PageTemplateTests {
  @Test func textsAreEscapedAndMarkupIsNot() {
    let page = PageTemplate("<h1>{{title}}</h1>{{picture}}")
    #expect(
      page.filled(["title": "a <b> & \"c\"", "picture": .markup("<svg/>")])
        == "<h1>a &lt;b&gt; &amp; &quot;c&quot;</h1><svg/>")
  }

  @Test func whatIsBetweenEachAndEndIsThereOnceForEachEntry() {
    let page = PageTemplate("<ul><!--each rows--><li>{{name}}</li><!--end rows--></ul>")
    #expect(page.filled(["rows": .rows(["a", "b"]) { ["name": .text($0)] }]) == "<ul><li>a</li><li>b</li></ul>")
    #expect(page.filled(["rows": .when(false)]) == "<ul></ul>")
  }

  /// The inner list's `name` hides the outer one's, which its entries without a name see.
  @Test func entriesSeeWhatIsOutsideThem() {
    let page = PageTemplate("<!--each a--><!--each b-->{{name}}{{of}} <!--end b-->{{name}}<!--end a-->")
    let values: [String: PageTemplate.Value] = [
      "of": "!", "a": .each([["name": "outer", "b": .each([["name": "inner"], [:]])]]),
    ]
    #expect(page.filled(values) == "inner! outer! outer")
  }

  /// What a value holds is no place of the page.
  @Test func valuesAreNotSearchedForPlaces() {
    #expect(PageTemplate("{{a}}{{b}}").filled(["a": "{{b}}<!--each c-->", "b": "x"]) == "{{b}}&lt;!--each c--&gt;x")
  }

  @Test func aPlaceWithoutValueStays() {
    #expect(PageTemplate("{{a}}<!--each b-->x<!--end b-->").filled(["b": "text"]) == "{{a}}{{b}}")
  }
}
