import ChatTemplates
import JSON
import Testing

@Suite struct TemplateErrorTests {
  private func error(_ source: String, _ variables: JSONObject = JSONObject()) -> ChatTemplateError? {
    do throws(ChatTemplateError) {
      _ = try ChatTemplate(source).render(variables)
      return nil
    } catch {
      return error
    }
  }

  @Test func unknownNamesAreReportedWithTheirLineBeforeAnythingIsRendered() {
    #expect(error("a\n{{ x | shout }}") == .unknownFilter("shout", line: 2))
    #expect(error("a\n\n{{ x is loud }}") == .unknownTest("loud", line: 3))
    #expect(error("{% if x %}\n{% frobnicate %}") == .unknownTag("frobnicate", line: 2))
    #expect(error("{% for a in b %}\n{% endif %}") == .unknownTag("endif", line: 2))
  }

  @Test func constructsLeftOutAreNamed() {
    #expect(error("{% include 'x' %}") == .unsupported("the tag 'include'", line: 1))
    #expect(error("{% for a in b recursive %}{% endfor %}") == .unsupported("a recursive loop", line: 1))
    #expect(error("\n{{ 'a'.encode() }}") == .unsupported("the string method 'encode'", line: 2))
  }

  @Test func anUndefinedValueSaysWhichAndWhere() {
    #expect(error("\n{{ a.b }}") == .undefined("'a' is undefined", line: 2))
    let message = JSONObject([("m", ["role": "user"])])
    let missing = "'dict object' has no attribute 'content'"
    #expect(error("{{ m.content\n + 'x' }}", message) == .undefined(missing, line: 2))
  }

  @Test func theTemplatesOwnRefusalCarriesItsMessage() {
    #expect(error("{% if true %}\n{{ raise_exception('roles ' ~ 1) }}{% endif %}") == .raised("roles 1", line: 2))
    #expect(error("{{ raise_exception('no') }}")?.description == "chat template refuses this conversation (line 1): no")
  }

  @Test(arguments: [
    "{{", "{{ }}", "{{ 'a }}", "{% if %}{% endif %}", "{% if a %}", "{# a", "{% raw %}a", "{{ (1 }}", "{{ [1 }}",
    "{{ 1 + }}", "{{ a. }}", "{{ a['b' }}", "{% set %}", "{% set 1 = 2 %}", "{% for in x %}{% endfor %}",
    "{% macro %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% call x %}{% endcall %}", "{{ a b }}",
    "{{ '\\uD800' }}", "{{ '\\x1' }}", "{% break %}", "{{ 99999999999999999999 }}", "{{ a | }}", "{{ a is }}",
    "{{ a[1:2:3:4] }}", "{{ a[1 2] }}", "{{ f(a=1, 2) }}", "{% endfor %}", "{{ \u{0} }}", "{{ $ }}", "{%", "{{ ] }}",
  ])
  func malformedTemplatesAreRefusedWithoutTrapping(source: String) {
    #expect(error(source) != nil)
  }

  @Test func everyTruncationOfATemplateIsReadOrRefused() throws {
    for name in ["schema_types.jinja", "parts_macro.jinja"] {
      let scalars = Array(try Recorded.template(name).unicodeScalars)
      for count in stride(from: 0, to: scalars.count, by: 3) {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[..<count])
        _ = error(String(text))
      }
    }
  }

  @Test func theSandboxReachesNothingOutsideTheValues() throws {
    for source in [
      "{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ d.update({}) }}", "{{ self.__init__ }}",
      "{{ range.__globals__.x }}", "{{ '{0.__class__.__mro__}'.format('') }}", "{{ namespace(_a=1) }}",
      "{{ lipsum.__globals__['os'] }}", "{{ cycler.__init__.__globals__ }}",
    ] {
      let variables = JSONObject([("messages", []), ("d", .object(JSONObject()))])
      #expect(error(source, variables) != nil, "\(source)")
    }
  }
}
