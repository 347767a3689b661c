import ChatTemplates
import Foundation
import JSON
import Testing

/// Runs `body` on a thread with the small stack a worker may have.
private func onSmallStack(_ body: @escaping @Sendable () -> Void) {
  let done = DispatchSemaphore(value: 0)
  let thread = Thread {
    body()
    done.signal()
  }
  thread.stackSize = 512 << 10
  thread.start()
  done.wait()
}

private func failure(_ source: String, _ variables: JSONObject = JSONObject()) -> ChatTemplateError? {
  do throws(ChatTemplateError) {
    _ = try ChatTemplate(source).render(variables)
    return nil
  } catch {
    return error
  }
}

private func exceeds(_ error: ChatTemplateError?, _ kind: TemplateLimits.Kind) -> Bool {
  if case .limitExceeded(kind, _, _)? = error { true } else { false }
}

@Suite struct HostileTemplateTests {
  @Test func loopsWithoutEndStopSoonAtTheStepLimit() {
    let start = ContinuousClock.now
    for source in [
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{% for a in range(100000) %}{% for b in range(99) if false %}{% endfor %}{% endfor %}",
      "{% set l = range(99999) | list %}{% for a in l %}{{ a in l }}{% endfor %}",
    ] {
      #expect(exceeds(failure(source), .steps), "\(source)")
    }
    // A second each in a debug build on an idle machine, a fifth of that in release; here others may be building.
    #expect(ContinuousClock.now - start < .seconds(120))
  }

  @Test(arguments: [
    "{{ 'x' * 1000000000 }}", "{{ [0] * 1000000000 }}", "{{ 'xy' * 9223372036854775807 }}",
    "{{ ('x' * 30000000) ~ ('x' * 30000000) }}", "{{ '%1000000000d' % 1 }}", "{{ '{:1000000000}'.format(1) }}",
    "{{ 'x'.center(1000000000) }}", "{{ '%99999999999999999999d' % 1 }}", "{{ 'x' | indent(1000000000) }}",
    "{{ [1] | tojson(indent=1000000000) }}", "{{ 'x' | center(1000000000) }}",
    "{{ [1] | batch(1000000000, 0) | list }}", "{{ [1] | slice(1000000000) | list }}",
    "{{ ('x' * 100000).replace('', 'y' * 100000) }}",
    "{{ ('y' * 100000).join('x' * 100000) }}", "{{ '%.1000000000f' % 1.5 }}", "{{ 'a'.zfill(9223372036854775807) }}",
  ])
  func valuesTooLargeAreRefusedBeforeTheyAreMade(source: String) {
    let start = ContinuousClock.now
    guard case .limitExceeded? = failure(source) else {
      Issue.record("\(source) was not refused")
      return
    }
    #expect(ContinuousClock.now - start < .seconds(120))
  }

  @Test func outputThatGrowsWithoutEndIsRefused() {
    let source = "{% set x = 'x' * 1000000 %}{% for i in range(100000) %}{{ x }}{% endfor %}"
    guard case .limitExceeded? = failure(source) else {
      Issue.record("unlimited output")
      return
    }
    let doubling = "{% set ns = namespace(x='x') %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
    #expect(exceeds(failure(doubling), .valueBytes))
    let sharing = "{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
    for end in ["{{ ns.x }}", "{{ ns.x | tojson }}", "{{ ns.x == [ns.x[0], [ns.x[0][0], ns.x[0][1]]] }}"] {
      guard case .limitExceeded? = failure(sharing + end) else {
        Issue.record("\(end) was not refused")
        continue
      }
    }
  }

  @Test func rangesAreBoundedAndDoNotOverflow() {
    let low = "-9223372036854775807"
    for range in ["1000000000000", "0, \(low), -1", "\(low), 9223372036854775807", "100001"] {
      #expect(failure("{{ range(\(range)) }}") != nil)
    }
    #expect(failure("{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807) | list }}") == nil)
  }

  @Test(arguments: [
    "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 9223372036854775807 * 2 }}",
    "{{ 2 ** 64 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
    "{{ (-9223372036854775807 - 1) | abs }}", "{{ 1e300 | int }}", "{{ '1e300' | int }}", "{{ 10 ** 400 }}",
    "{{ 1e300 | round(-1) }}", "{{ '%d' % 1e300 }}", "{{ 1.5 | round(999999999999) }}", "{{ 10.0 ** 400 }}",
  ])
  func integersThatOverflowAreAnErrorNotATrap(source: String) {
    #expect(failure(source) != nil)
  }

  @Test func extremeIndicesAndSlicesAreHarmless() {
    let low = "(-9223372036854775807 - 1)"
    let high = "9223372036854775807"
    for value in ["'abc'", "[1, 2]", "(1, 2)", "range(5)", "[]", "''"] {
      for bounds in ["\(low):\(high)", "\(high):\(low):\(low)", "::\(high)", "::\(low)", "\(high):", ":\(low)"] {
        #expect(failure("{{ \(value)[\(bounds)] | list }}") == nil, "\(value)[\(bounds)]")
      }
      #expect(failure("{{ \(value)[\(low)] }}{{ \(value)[\(high)] }}") == nil)
    }
    #expect(failure("{{ -1 % \(low) }}{{ \(low) % -1 }}{{ 'abc'.find('c', \(low), \(high)) }}") == nil)
    #expect(failure("{{ 'abc'.split('b', \(low)) }}{{ 'abc' | truncate(\(high), true, '', \(high)) }}") == nil)
    #expect(failure("{{ \(low) | round(-19) }}{{ \(low) == 1e300 }}{{ \(high) < 9223372036854775808.0 }}") == nil)
  }

  @Test func deepTemplatesAreRefusedOnASmallStack() {
    onSmallStack {
      for (open, close) in [
        ("(", ")"), ("[", "]"), ("{1:", "}"), ("not ", ""), ("-", ""), ("f(", ")"), ("1 if ", ""), ("a[", "]"),
        ("1 if 1 else ", ""), ("x|d(", ")"), ("x is eq ", ""), ("1 ** ", ""), ("1 + ", ""), ("1 ~ ", ""),
        ("1 < ", ""), ("1 and ", ""), ("1 or ", ""), ("1 * (", ")"), ("x is eq(", ")"), ("(1, ", ")"),
      ] {
        for count in [20, 45, 100, 5_000] {
          let source = String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
          _ = failure("{{ \(source) }}")
        }
      }
      for suffix in [".a", "[0]", "|string", "()", " is none", "[1:]", " + 1", " or 1", " and 1", " ** 1", " ~ 1"] {
        for count in [150, 250, 5_000] { _ = failure("{{ x" + String(repeating: suffix, count: count) + " }}") }
      }
      for (open, close) in [
        ("{% if 1 %}", "{% endif %}"), ("{% for i in [1] %}", "{% endfor %}"), ("{% set x %}", "{% endset %}"),
        ("{% macro m() %}", "{% endmacro %}"), ("{% filter upper %}", "{% endfilter %}"),
        ("{% with %}", "{% endwith %}"),
        ("{% if 0 %}{% else %}", "{% endif %}"), ("{% if 0 %}{% elif 1 %}", "{% endif %}"),
      ] {
        for count in [30, 49, 100, 2_000] {
          let source = String(repeating: open, count: count) + "x" + String(repeating: close, count: count)
          let error = failure(source)
          if count > 50 { #expect(exceeds(error, .depth), "\(open) \(count)") }
        }
      }
    }
  }

  @Test func deepRecursionOfMacrosIsRefusedOnASmallStack() {
    onSmallStack {
      #expect(exceeds(failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), .depth))
      let mutual = """
        {% macro a(n) %}{% for i in [n] %}{% if n %}{% filter upper %}{{ [b(n + 1) ~ 'x'] | join }}{% endfilter %}\
        {% endif %}{% endfor %}{% endmacro %}\
        {% macro b(n) %}{% set t %}{{ a(n) }}{% endset %}{{ t }}{% endmacro %}{{ a(1) }}
        """
      #expect(exceeds(failure(mutual), .depth))
      let callers = "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"
      #expect(exceeds(failure(callers), .depth))
    }
  }

  @Test func deepValuesAreRefusedAndReleasedOnASmallStack() {
    onSmallStack {
      let makers = [
        "[ns.x]", "(ns.x,)", "{'a': ns.x}", "{'a': ns.x}.items()", "([ns.x] | select)", "{'a': ns.x}.get",
        "[[[[ns.x]]]]", "dict(a=ns.x)", "([ns.x] | batch(1))",
      ]
      for maker in makers {
        let grow = "{% for i in range(9000) %}{% set ns.x = \(maker) %}{% endfor %}{{ ns.x }}"
        #expect(exceeds(failure("{% set ns = namespace(x=[]) %}" + grow), .depth), "\(maker)")
      }
      let almost = "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x] %}{% endfor %}"
      for end in ["{{ ns.x }}", "{{ ns.x | tojson(indent=1) }}", "{{ ns.x == [ns.x] }}", "{{ [ns.x, ns.x] | sort }}"] {
        _ = failure(almost + end)
      }
      var nested: JSONValue = []
      for _ in 0..<120 { nested = [nested] }
      #expect(exceeds(failure("{{ x }}", JSONObject([("x", nested)])), .depth))
    }
  }

  @Test func chainsThroughNamespacesLoopsAndMacrosAreReleasedOnASmallStack() {
    onSmallStack {
      for source in [
        "{% set ns = namespace() %}{% for i in range(50000) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns.x.x.x is defined }}",
        """
        {% set ns = namespace() %}{% macro a(f) %}{% macro b() %}{% endmacro %}{% set ns.f = b %}{% endmacro %}\
        {% for i in range(50000) %}{{ a(ns.f) }}{% endfor %}
        """,
        """
        {% set ns = namespace() %}{% macro a(f) %}{% for i in [1] if true %}{% set ns.f = loop %}{% endfor %}\
        {% endmacro %}{% for i in range(50000) %}{{ a(ns.f) }}{% endfor %}
        """,
        """
        {% set ns = namespace() %}{% macro a(f) %}{% for i in [1] %}{% macro b() %}{% endmacro %}{% set ns.f = b %}\
        {% endfor %}{% endmacro %}{% for i in range(50000) %}{{ a(ns.f) }}{% endfor %}
        """,
      ] {
        #expect(failure(source) == nil, "\(source)")
      }
      let loops = """
        {% set ns = namespace() %}{% for i in range(50000) %}{% for j in [ns.x] %}{% set ns.x = loop %}{% endfor %}\
        {% endfor %}
        """
      #expect(exceeds(failure(loops), .depth))
      #expect(failure("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}") != nil)
    }
  }

  @Test func templatesAndConversationsOfAnOrdinarySizeStayWellWithinTheLimits() throws {
    let template = try ChatTemplate(Recorded.template("reverse_scan.jinja"))
    let text = String(repeating: "word ", count: 400)
    let messages = (0..<1000).map { i -> JSONValue in
      ["role": i % 2 == 0 ? "user" : "assistant", "content": .string("\(i) " + text)]
    }
    let out = try template.render(messages: messages, addGenerationPrompt: true)
    #expect(out.utf8.count > 2_000_000)
  }

  @Test func searchTakesLinearTimeForHostileNeedles() {
    let start = ContinuousClock.now
    let texts = "{% set t = 'a' * 1000000 %}{% set n = 'a' * 500000 ~ 'b' %}"
    #expect(failure(texts + "{{ n in t }}{{ t.rfind(n) }}{{ t.count(n) }}") == nil)
    #expect(ContinuousClock.now - start < .seconds(120))
  }

  @Test func aTemplateTooLargeIsRefusedUnread() {
    let source = String(repeating: "x", count: (1 << 20) + 1)
    #expect(failure(source) == .templateTooLarge(byteCount: (1 << 20) + 1, limit: 1 << 20))
  }
}
