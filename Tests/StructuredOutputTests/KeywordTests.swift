import JSON
import StructuredOutput
import Testing

/// What each keyword admits and refuses, byte by byte.
@Suite struct KeywordTests {
  struct Case: Sendable, CustomStringConvertible {
    var schema: String
    var accepted: [String]
    var refused: [String]
    var description: String { schema }
    init(_ schema: String, _ accepted: [String], not refused: [String]) {
      (self.schema, self.accepted, self.refused) = (schema, accepted, refused)
    }
  }

  private func check(_ example: Case) throws {
    let trial = try Trial(schema: example.schema)
    for text in example.accepted { #expect(trial.accepts(text), "\(example.schema) must admit \(text)") }
    for text in example.refused { #expect(!trial.accepts(text), "\(example.schema) must not admit \(text)") }
  }

  /// Words of a schema's own must not be taken for those of an error.
  @Test(arguments: ["a", "needs", "above"])
  func aMemberThatNothingSatisfiesIsLeftOutWhateverItRequires(name: String) throws {
    let impossible = "{\"type\":\"object\",\"properties\":{\"\(name)\":false},\"required\":[\"\(name)\"]}"
    try check(
      Case(
        "{\"type\":\"object\",\"properties\":{\"x\":\(impossible),\"y\":{}},\"additionalProperties\":false}",
        ["{}", "{\"y\":1}"], not: ["{\"x\":{}}", "{\"x\":{\"\(name)\":1}}"]))
  }

  @Test(arguments: [
    Case(
      "true", ["null", "true", "-1.5e10", "\"x\"", "[1, [2], {}]", "{\"a\": {\"b\":[]}}"],
      not: ["", "nul", "[1", "{a:1}", "01", " 1", "1 "]),
    Case(
      #"{"type":"integer"}"#,
      ["0", "-1", "123456789012345678"],
      not: ["-0", "00", "1.0", "1e3", "1234567890123456789", "+1", "-"]),
    Case(
      #"{"type":"number"}"#,
      ["0", "-0", "0.5", "1e10", "-1.5E-10", "0.30000000000000004", "2.2204460492503131e-16"],
      not: [".5", "1.", "1e", "1e100", "--1", "1.123456789012345678901"]),
    Case(#"{"type":["boolean","null"]}"#, ["true", "false", "null"], not: ["0", "\"\"", "True"]),
    Case(
      #"{"enum":["a","é\n\"",1,null,[1,{"b":2}]]}"#,
      ["\"a\"", #""é\n\"""#, "1", "null", "[1, {\"b\": 2}]", "[1,{\"b\":2}]"],
      not: ["\"b\"", "1.0", "[1]"]),
    Case(#"{"enum":[1,"a",true],"type":"string"}"#, ["\"a\""], not: ["1", "true"]),
    Case(#"{"const":"x","enum":["x","y"]}"#, ["\"x\""], not: ["\"y\""]),
    Case(#"{"enum":[1.0,2.5],"type":"integer"}"#, ["1.0"], not: ["2.5"]),
  ])
  func kindsAndListedValues(_ example: Case) throws { try check(example) }

  @Test(arguments: [
    Case(
      #"{"type":"integer","minimum":0,"maximum":150}"#,
      ["0", "9", "99", "100", "149", "150"],
      not: ["-1", "151", "200", "1000", "00"]),
    Case(
      #"{"type":"integer","minimum":-12,"exclusiveMaximum":3}"#,
      ["-12", "-9", "0", "2"],
      not: ["-13", "3", "-0", "10"]),
    Case(#"{"type":"integer","minimum":1.5,"maximum":3.5}"#, ["2", "3"], not: ["1", "4"]),
    Case(#"{"type":"integer","minimum":1e3}"#, ["1000", "99999"], not: ["999", "0", "-1"]),
    Case(#"{"type":"integer","maximum":-100}"#, ["-100", "-123456"], not: ["-99", "0", "100"]),
    Case(#"{"type":"integer","minimum":99999999999999999}"#, ["99999999999999999"], not: ["99999999999999998"]),
    Case(
      #"{"type":"number","minimum":0,"maximum":1}"#,
      ["0", "1", "0.5", "1.0", "0.999", "0.0", "1e-06", "1E-6", "5e-1", "9.99e-1", "1e0", "1.0e+0", "1e-99"],
      not: ["-0", "-0.1", "1.1", "1.01", "2", "1.1e0", "1e1", "-1e-6", "10e-1", "0e0", "1e", "1.e-1", "1e-100"]),
    Case(
      #"{"type":"number","exclusiveMinimum":-2.5e-3,"exclusiveMaximum":12.5}"#,
      ["1.24e1", "1.249e1", "9e0", "-2.4e-3", "-2.49e-3", "-9e-4", "1e-9", "3e-2"],
      not: ["1.25e1", "1.3e1", "2e1", "1e2", "-2.5e-3", "-2.6e-3", "-1e-2"]),
    Case(
      #"{"type":"number","minimum":250}"#, ["2.5e2", "2.51e2", "3e2", "1e3", "1e99"],
      not: ["2.4e2", "2.49e2", "9e1", "2.5e1", "-3e2"]),
    Case(#"{"type":"integer","minimum":1}"#, ["1", "10000000"], not: ["1e3", "1e0"]),
    Case(#"{"type":"number","minimum":1,"multipleOf":0.5}"#, ["1.5"], not: ["1e0", "1.5e0"]),
    Case(
      #"{"type":"number","exclusiveMinimum":-0.25,"exclusiveMaximum":12.75}"#,
      ["-0.24", "-0.2", "0", "12.7", "12.7499", "9.9"],
      not: ["-0.25", "-0.250", "-0.3", "12.75", "12.8", "13", "100"]),
    Case(#"{"type":"number","exclusiveMinimum":0}"#, ["0.1", "0.000001", "5"], not: ["0", "0.0", "-1"]),
    Case(#"{"type":"integer","multipleOf":7}"#, ["0", "7", "-14", "700"], not: ["1", "15", "-1"]),
    Case(#"{"type":"number","multipleOf":0.25}"#, ["0", "0.25", "1.5", "-2.750", "3"], not: ["0.2", "0.3", "1.125"]),
    Case(#"{"type":"number","multipleOf":0.01,"minimum":1}"#, ["1.23", "2"], not: ["1.234", "0.99"]),
  ])
  func numbers(_ example: Case) throws { try check(example) }

  @Test(arguments: [
    Case(
      #"{"type":"string"}"#,
      ["\"\"", "\"é日😀\"", #""\u00e9\ud83d\ude00\n\/""#, "\"\u{7F}\""],
      not: ["\"\n\"", #""\ud83d""#, #""\ude00""#, #""\ud83dx""#, #""\x""#, "\"a", "'a'"]),
    Case(
      #"{"type":"string","minLength":2,"maxLength":3}"#,
      ["\"ab\"", "\"é日😀\"", #""\n\"""#],
      not: ["\"a\"", "\"abcd\"", "\"\""]),
    Case(#"{"type":"string","pattern":"^a+b?$"}"#, ["\"a\"", "\"aab\""], not: ["\"\"", "\"b\"", "\"abb\"", "\"xa\""]),
    Case(#"{"type":"string","pattern":"b+"}"#, ["\"b\"", "\"abc\"", "\"\\nbb日\""], not: ["\"\"", "\"ac\""]),
    Case(#"{"type":"string","pattern":"^a|b$"}"#, ["\"axx\"", "\"xxb\""], not: ["\"xa\"", "\"bx\""]),
    Case(
      #"{"type":"string","pattern":"^(?:ab|cd){2,3}$"}"#,
      ["\"abcd\"", "\"cdcdab\""],
      not: ["\"ab\"", "\"abababab\""]),
    Case(
      #"{"type":"string","pattern":"^[\\w.-]+\\s\\u0041\\x42$"}"#,
      ["\"a_1.- AB\""],
      not: ["\"a_1.-AB\"", "\"é AB\""]),
    Case(#"{"type":"string","pattern":"^\"\\\\\\t$"}"#, [#""\"\\\t""#], not: ["\"\"\""]),
    Case(#"{"type":"string","pattern":"^[^a]$"}"#, ["\"b\"", "\"é\"", #""\"""#], not: ["\"a\"", "\"bb\""]),
    Case(#"{"type":"string","pattern":"^.$"}"#, ["\"b\"", "\"😀\""], not: [#""\n""#]),
    Case(#"{"type":"string","pattern":"^$"}"#, ["\"\""], not: ["\"a\""]),
    Case(#"{"type":"string","pattern":"^a(^b|c)$"}"#, ["\"ac\""], not: ["\"ab\""]),
    Case(
      #"{"type":"string","allOf":[{"pattern":"a"},{"pattern":"b"}],"maxLength":2}"#,
      ["\"ab\"", "\"ba\""],
      not: ["\"aa\"", "\"abc\""]),
    Case(
      #"{"type":"string","format":"date"}"#,
      ["\"2024-02-29\"", "\"2023-12-31\"", "\"2000-02-29\""],
      not: ["\"2023-02-29\"", "\"1900-02-29\"", "\"2023-04-31\"", "\"2023-13-01\"", "\"0000-01-01\""]),
    Case(
      #"{"type":"string","format":"date-time"}"#,
      ["\"2024-01-31T23:59:59Z\"", "\"2024-01-31T00:00:00.5+01:00\""],
      not: ["\"2024-01-31\"", "\"2024-01-31T24:00:00Z\"", "\"2024-01-31T10:00:00\""]),
    Case(
      #"{"type":"string","format":"uuid"}"#,
      ["\"123e4567-e89b-12d3-a456-426614174000\""],
      not: ["\"123e4567e89b12d3a456426614174000\""]),
    Case(
      #"{"type":"string","format":"ipv4"}"#,
      ["\"255.0.10.1\""],
      not: ["\"256.0.0.1\"", "\"01.1.1.1\"", "\"1.1.1\""]),
    Case(
      #"{"type":"string","format":"ipv6"}"#,
      ["\"::1\"", "\"2001:db8::ff00:42:8329\"", "\"1:2:3:4:5:6:7:8\""],
      not: ["\"1::2::3\"", "\"1:2\"", "\"12345::\""]),
    Case(
      #"{"type":"string","format":"regex"}"#,
      [
        #""^[a-zA-Z0-9_]{3,16}$""#, #""a{0,9}b{12}c{7,}""#, #""\\d{10,15}x{38,40}y{41,50}z{2,100}""#,
        #""(?:a{2,30}|b)+""#, #""(a(b{2}c{3,}){4})?""#,
      ],
      not: [#""a{3,2}""#, #""a{16,3}""#, #""a{20,19}""#, #""(a{9,8})""#, #""a{,3}""#, #""(a""#]),
    Case(
      #"{"type":"object","patternProperties":{"^[/][/.\\w-]{0,254}$":{"type":"null"}},"additionalProperties":false}"#,
      [#"{"/":null}"#, #"{"/usr/a-b.c_d":null,"/b":null}"#],
      not: [#"{"":null}"#, #"{"a":null}"#, #"{"/a b":null}"#, #"{"/":1}"#]),
    Case(
      #"{"type":"string","pattern":"^[^a-c€-ⱿA]{3}$"}"#, ["\"日é😀\"", "\"def\"", "\"‐⺀d\""],
      not: ["\"日a😀\"", "\"d€f\"", "\"dⱿf\"", "\"de\""]),
    Case(
      #"{"type":"string","format":"email"}"#,
      ["\"a.b+c@example.org\""],
      not: ["\"a@b\"", "\"a@@b.c\"", "\".a@b.cc\""]),
  ])
  func strings(_ example: Case) throws { try check(example) }

  @Test(arguments: [
    Case(
      #"{"type":"array","items":{"type":"integer"}}"#,
      ["[]", "[1]", "[1, 2]", "[1,2]", "[\n  1,\n  2\n]", "[ 1 ]"],
      not: ["[1,]", "[,1]", "[1  ,2]", "[1,  2]", "[\"a\"]", "[ ]"]),
    Case(
      #"{"type":"array","items":{"type":"null"},"minItems":1,"maxItems":2}"#,
      ["[null]", "[null,null]"],
      not: ["[]", "[null,null,null]"]),
    Case(
      #"{"type":"array","prefixItems":[{"type":"null"},{"type":"boolean"}],"items":{"type":"integer"}}"#,
      ["[]", "[null]", "[null,true]", "[null,true,1,2]"],
      not: ["[1]", "[null,1]", "[null,true,null]"]),
    Case(#"{"type":"array","prefixItems":[{"type":"null"}],"items":false}"#, ["[]", "[null]"], not: ["[null,null]"]),
    Case(
      #"{"type":"array","allOf":[{"prefixItems":[{"type":"integer"}]},{"items":{"minimum":5}}]}"#,
      ["[5,7]", "[5,\"x\"]"],
      not: ["[4]", "[\"x\"]", "[5,4]"]),
  ])
  func arrays(_ example: Case) throws { try check(example) }

  @Test(arguments: [
    Case(
      #"{"type":"object"}"#,
      ["{}", "{\"a\": 1}", "{\n  \"a\": 1,\n  \"b\": []\n}"],
      not: ["{", "{\"a\"}", "{\"a\":}", "{\"a\" :1}", "{\"a\":1,}", "{\"a\":  1}", "[]"]),
    Case(
      #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},"required":["a"],"additionalProperties":false}"#,
      ["{\"a\":1}", "{\"a\": 1, \"b\": null}", "{\"b\":null,\"a\":1}"],
      not: ["{}", "{\"b\":null}", "{\"a\":1,\"c\":1}", "{\"a\":1,\"a\":1}", "{\"b\":null,\"b\":null,\"a\":1}"]),
    Case(
      #"{"type":"object","properties":{"a":{"type":"integer"}}}"#,
      ["{}", "{\"a\":1,\"b\":\"x\"}", "{\"b\":1}", "{\"aa\":null,\"\":1}", "{\"b\":1,\"a\":1}"],
      not: ["{\"a\":\"x\"}", #"{"\u0061":"x"}"#, "{\"b\":1,\"a\":\"x\"}"]),
    Case(
      #"{"type":"object","additionalProperties":{"type":"integer"}}"#,
      ["{}", "{\"x\":1,\"y\":2}"],
      not: ["{\"x\":\"1\"}"]),
    Case(#"{"type":"object","required":["z"]}"#, ["{\"z\":[]}"], not: ["{}", "{\"y\":1}"]),
    Case(
      #"{"type":"object","properties":{"a":false},"additionalProperties":{"type":"null"}}"#,
      ["{}", "{\"b\":null}"],
      not: ["{\"a\":null}"]),
    Case(
      #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"additionalProperties":false,"minProperties":1,"maxProperties":2}"#,
      ["{\"a\":1}", "{\"b\":1,\"c\":2}"],
      not: ["{}", "{\"a\":1,\"b\":1,\"c\":1}"]),
    Case(
      #"{"type":"object","additionalProperties":{"type":"null"},"minProperties":1,"maxProperties":2}"#,
      ["{\"a\":null}", "{\"a\":null,\"b\":null}"],
      not: ["{}", "{\"a\":null,\"b\":null,\"c\":null}"]),
    Case(
      #"{"type":"object","allOf":[{"properties":{"a":{"type":"integer"}},"additionalProperties":false},{"properties":{"a":{"minimum":2}}}]}"#,
      ["{}", "{\"a\":2}"],
      not: ["{\"a\":1}", "{\"b\":1}"]),
  ])
  func objects(_ example: Case) throws { try check(example) }

  @Test(arguments: [
    Case(#"{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]}"#, ["1", "\"a\""], not: ["\"ab\"", "null"]),
    Case(
      #"{"oneOf":[{"type":"integer","maximum":3},{"type":"integer","minimum":4},{"type":"null"}]}"#,
      ["3", "4", "null"],
      not: ["\"\""]),
    Case(#"{"anyOf":[{"type":"null"},{"type":"integer"}],"type":["integer","string"]}"#, ["1"], not: ["null", "\"\""]),
    Case(##"{"$ref":"#/$defs/a~1b%25","$defs":{"a/b%":{"type":"null"}}}"##, ["null"], not: ["1"]),
    Case(##"{"type":"array","items":{"$ref":"#"}}"##, ["[]", "[[],[[]]]"], not: ["[1]", "[[]"]),
    Case(
      ##"{"$ref":"#/$defs/n","maximum":5,"$defs":{"n":{"type":"integer","minimum":3}}}"##,
      ["3", "5"],
      not: ["2", "6"]),
    Case(#"{"allOf":[true,{"type":"integer"},{}]}"#, ["1"], not: ["null"]),
  ])
  func combinations(_ example: Case) throws { try check(example) }

  @Test(arguments: [
    Case(
      #"{"const":{"a":1,"b":[{"c":2,"d":3}]}}"#,
      [#"{"a":1,"b":[{"c":2,"d":3}]}"#, #"{"b": [{"d": 3, "c": 2}], "a": 1}"#],
      not: [#"{"a":1}"#, #"{"a":1,"b":[{"c":2,"d":3}],"a":1}"#, #"{"a":1,"b":[{"c":2}]}"#]),
    Case(
      #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"dependentRequired":{"a":["b"]},"additionalProperties":false}"#,
      [#"{}"#, #"{"b":1}"#, #"{"a":1,"b":2}"#, #"{"b":1,"c":1,"a":1}"#], not: [#"{"a":1}"#, #"{"a":1,"c":1}"#]),
    Case(
      #"{"type":"object","patternProperties":{"^n":{"type":"integer"}},"additionalProperties":{"type":"null"}}"#,
      [#"{"n1":1,"x":null}"#, #"{"x":null,"n":2}"#], not: [#"{"n1":null}"#, #"{"x":1}"#]),
    Case(
      #"{"type":"object","propertyNames":{"maxLength":2}}"#, [#"{"ab":1}"#, #"{"é日":[]}"#], not: [#"{"abc":1}"#]),
    Case(
      #"{"type":"object","properties":{"a":{"type":"integer"}},"not":{"required":["b"]}}"#,
      [#"{"a":1,"c":2}"#, "{}"], not: [#"{"b":1}"#, #"{"a":1,"b":1}"#]),
    Case(#"{"type":"integer","not":{"const":5}}"#, ["4", "55", "-5"], not: ["5"]),
    Case(#"{"oneOf":[{"type":"integer"},{"type":"number","minimum":3}]}"#, ["1", "3.5"], not: ["4", "2.5"]),
    Case(
      #"{"if":{"type":"string"},"then":{"maxLength":1},"else":{"type":"integer"}}"#, ["\"a\"", "12"],
      not: ["\"ab\"", "null"]),
    Case(
      #"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#, [#"["a", "b"]"#, #"["", "aa", "a"]"#, "[]"],
      not: [#"["a", "b", "a"]"#, #"["",""]"#]),
    Case(
      #"{"type":"array","items":{"type":"integer"},"uniqueItems":true}"#, ["[1, 11, 111]", "[-1, 1, 0]"],
      not: ["[1, 1]", "[0, -0]", "[12, 3, 12]"]),
    Case(
      #"{"type":"array","items":{"type":"integer","minimum":1,"maximum":2},"uniqueItems":true,"minItems":2}"#,
      ["[1,2]", "[2,1]"], not: ["[1]", "[1,2,1]", "[1,2,"]),
    Case(
      #"{"type":"array","contains":{"const":7}}"#, ["[7]", "[1, 7, \"a\"]"], not: ["[]", "[1, 77]"]),
    Case(#"{"type":"string","minLength":1,"maxLength":20000}"#, ["\"a\""], not: ["\"\""]),
    Case(#"{"type":"string","pattern":"^[ab]*$","maxLength":3}"#, ["\"\"", "\"aba\""], not: ["\"c\"", "\"abab\""]),
    Case(
      #"{"type":"array","items":{"type":"string","pattern":"^[0-9]x$"},"uniqueItems":true}"#, [#"["1x","2x","3x"]"#],
      not: [#"["1x","2x","1x"]"#, #"["1x","1x"]"#]),
    Case(
      #"{"type":"string","pattern":"^(ab)*$","maxLength":5}"#, ["\"\"", "\"abab\""], not: ["\"ababab\"", "\"ababa\""]),
    Case(
      #"{"type":"string","format":"uri","minLength":1,"maxLength":2083}"#,
      ["\"https://example.org/a?b=c#d\"", "\"file:///path/to/x.js\"", "\"mailto:a@b.c\"", "\"http://[::1]:80/\""],
      not: ["\"example.org\"", "\"http://a b\"", "\"//x\"", "\"http://exa%mple\""]),
    Case(
      ##"{"$id":"https://example.org/s","type":"object","properties":{"a":{"$ref":"https://example.org/s#/definitions/n"}},"definitions":{"n":{"$id":"#n","type":"null"}},"additionalProperties":{"$ref":"#n"}}"##,
      [#"{"a":null,"b":null}"#], not: [#"{"a":1}"#, #"{"b":1}"#]),
  ])
  func membersConditionsAndComparisons(_ example: Case) throws { try check(example) }

  /// At the longest length no character begins that could not be ended.
  @Test func stringsOfFullLengthHaveNoDeadEnds() throws {
    for schema in [
      #"{"type":"string","not":{"pattern":"\\d$"},"maxLength":2}"#,
      #"{"type":"string","pattern":"^[^a\"]*$","maxLength":2}"#,
    ] {
      let grammar = try CompiledGrammar(.json(JSONValue(parsing: schema)), vocabulary: Vocabularies.bytes)
      var state = grammar.makeState()
      for byte in Array(#""bc"#.utf8) { expectStep(&state, Int32(byte), isAllowed: true) }
      #expect(mask(of: state).tokens == [34], "\(schema)")
    }
  }

  @Test func longStringsEndWhereTheyMust() throws {
    let trial = try Trial(schema: #"{"type":"string","maxLength":300}"#)
    #expect(trial.accepts("\"" + String(repeating: "é", count: 300) + "\""))
    #expect(!trial.accepts("\"" + String(repeating: "é", count: 301) + "\""))
  }

  @Test func strictSchemasAreClosed() throws {
    let open = try JSONValue(
      parsing:
        ##"{"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"type":"integer"}},"$defs":{"n":{"type":"object","properties":{"c":{}},"required":[]}}}"##
    )
    let trial = try Trial(.json(open.withClosedObjects))
    for text in [#"{"a":{},"b":1}"#, #"{"b":1,"a":{"c":null}}"#] { #expect(trial.accepts(text)) }
    for text in [#"{"a":{}}"#, #"{"a":{},"b":1,"x":2}"#, #"{"a":{"x":1},"b":1}"#] { #expect(!trial.accepts(text)) }
    // Parts that are put together stay open.
    let parts = try JSONValue(
      parsing:
        ##"{"allOf":[{"$ref":"#/$defs/n"},{"properties":{"d":{}}}],"$defs":{"n":{"type":"object","properties":{"c":{}}}}}"##
    )
    #expect(try Trial(.json(parts.withClosedObjects)).accepts(#"{"c":1,"d":2}"#))
  }

  @Test(arguments: [
    Case(
      #"{"type":"object","properties":{"b":{},"a":{},"c":{}},"required":["a"],"additionalProperties":false}"#,
      [#"{"a":1}"#, #"{"b":1,"a":1}"#, #"{"a":1,"c":1}"#, #"{"b":1,"a":1,"c":1}"#],
      not: [#"{"a":1,"b":1}"#, #"{"c":1,"a":1}"#, #"{"b":1,"c":1,"a":1}"#, #"{"b":1,"c":1}"#, #"{"b":1,"b":1,"a":1}"#]),
    // Others come last; what is required and not declared comes behind what is.
    Case(
      #"{"type":"object","properties":{"b":{},"a":{}},"required":["z","a"],"additionalProperties":{"type":"null"}}"#,
      [#"{"a":1,"z":null}"#, #"{"b":1,"a":1,"z":null,"x":null,"y":null}"#],
      not: [#"{"z":null,"a":1}"#, #"{"a":1,"x":null,"z":null}"#, #"{"x":null,"a":1,"z":null}"#]),
    // Parts that are put together: one after another.
    Case(
      #"{"allOf":[{"properties":{"b":{}},"required":["b"]},{"properties":{"a":{},"b":{}},"required":["a"]}],"type":"object"}"#,
      [#"{"b":1,"a":1}"#], not: [#"{"a":1,"b":1}"#]),
    Case(
      #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"additionalProperties":false,"minProperties":2}"#,
      [#"{"a":1,"b":1}"#, #"{"b":1,"c":1}"#, #"{"a":1,"c":1}"#], not: [#"{"c":1}"#, #"{"c":1,"a":1}"#, #"{"b":1}"#]),
    // What a member needs must still be able to come.
    Case(
      #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"dependentRequired":{"c":["a"]},"additionalProperties":false}"#,
      [#"{"a":1,"b":1,"c":1}"#, #"{"b":1}"#, #"{"a":1,"c":1}"#], not: [#"{"b":1,"c":1}"#, #"{"c":1}"#]),
    Case(
      #"{"type":"object","properties":{"a":{},"b":{}},"not":{"properties":{"a":{}},"additionalProperties":false}}"#,
      [#"{"b":1}"#, #"{"a":1,"b":1}"#, #"{"a":1,"x":1}"#], not: [#"{"a":1}"#, #"{"b":1,"a":1}"#]),
    // Objects within objects and in lists, and such that are listed.
    Case(
      ##"{"type":"array","items":{"type":"object","properties":{"d":{"enum":[{"y":1,"x":2}]},"c":{"$ref":"#/items"}},"required":["d"]}}"##,
      [#"[{"d":{"y":1,"x":2},"c":{"d":{"y":1,"x":2}}}]"#],
      not: [#"[{"c":{"d":{"y":1,"x":2}},"d":{"y":1,"x":2}}]"#, #"[{"d":{"x":2,"y":1}}]"#]),
  ])
  func membersComeInDeclaredOrderWhereThatIsAskedFor(_ example: Case) throws {
    let trial = try Trial(.json(JSONValue(parsing: example.schema), inOrder: true))
    for text in example.accepted { #expect(trial.accepts(text), "\(example.schema) refuses \(text)") }
    for text in example.refused { #expect(!trial.accepts(text), "\(example.schema) accepts \(text)") }
  }

  /// More members than a word of a set has bits, each of them optional or needed.
  @Test func ordersOfManyMembersHold() throws {
    let names = (0..<150).map { "m\($0)" }
    let schema: JSONValue = [
      "type": "object", "properties": .object(JSONObject(names.map { ($0, ["type": "null"]) })),
      "required": .array(names.enumerated().filter { $0.offset % 3 == 0 }.map { .string($0.element) }),
      "additionalProperties": false,
    ]
    let trial = try Trial(.json(schema, inOrder: true))
    func text(_ names: [String]) -> String { "{" + names.map { "\"\($0)\":null" }.joined(separator: ",") + "}" }
    #expect(trial.accepts(text(names)))
    #expect(trial.accepts(text(stride(from: 0, to: 150, by: 3).map { names[$0] })))
    for place in [0, 62, 63, 64, 127, 128, 148] {
      var swapped = names
      swapped.swapAt(place, place + 1)
      #expect(!trial.accepts(text(swapped)))
      var missing = names
      missing.remove(at: place)
      #expect(trial.accepts(text(missing)) == (place % 3 != 0))
    }
  }

  @Test func malformedUTF8IsNeverAllowed() throws {
    for schema in [
      #"{"type":"string"}"#, #"{"type":"string","maxLength":9}"#, #"{"type":"string","pattern":"^[^x]*$"}"#,
    ] {
      let trial = try Trial(schema: schema)
      for bytes in [[0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80], [0xE0, 0x80, 0x80], [0xFF]]
        as [[UInt8]]
      {
        #expect(!trial.accepts([0x22] + bytes + [0x22]), "\(schema) admits \(bytes)")
      }
      #expect(trial.accepts([0x22] + Array("\u{D7FF}\u{E000}\u{10FFFF}".utf8) + [0x22]))
    }
  }

  @Test func nestingStaysWithinWhatTheParserReads() throws {
    let trial = try Trial(.json(true))
    #expect(trial.accepts(String(repeating: "[", count: 100) + String(repeating: "]", count: 100)))
    #expect(!trial.accepts(String(repeating: "[", count: 128) + String(repeating: "]", count: 128)))
  }
}
