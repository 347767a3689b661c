import JSON
import StructuredOutput
import Testing

/// Schemas that are not supported, malformed, contradictory or too costly: errors that name the place, never a wait.
@Suite struct RefusedSchemaTests {
  private func error(_ schema: JSONValue) -> StructuredOutputError? {
    do throws(StructuredOutputError) {
      _ = try CompiledGrammar(.json(schema), vocabulary: Vocabularies.bytes)
      return nil
    } catch { return error }
  }

  @Test(arguments: [
    ("unevaluatedProperties", "false"), ("unevaluatedItems", "false"), ("$dynamicRef", "\"#\""),
    ("$ref", "\"https://example.org/s.json\""), ("$ref", "\"#anchor\""), ("multipleOf", "0.123456789"),
    ("uniqueItems", "true"), ("format", "\"date\""),
  ])
  func keywordsThatWouldBeIgnoredAreNamed(keyword: String, value: String) throws {
    // A format is not supported where it must not hold.
    let schema = keyword == "format" ? "{\"not\":{\"format\":\(value)}}" : "{\"\(keyword)\":\(value)}"
    let found = error(try JSONValue(parsing: "{\"type\":\"object\",\"properties\":{\"a/b\":\(schema)}}"))
    if case .unsupported("format", "#/properties/a~1b/not", _) = found { return }
    guard case .unsupported(keyword, "#/properties/a~1b", _) = found else {
      Issue.record("\(keyword): \(String(describing: found))")
      return
    }
  }

  @Test(arguments: [
    #"1"#, #""x""#, #"[]"#, #"null"#, #"{"type":"strnig"}"#, #"{"type":[]}"#, #"{"type":1}"#, #"{"enum":[]}"#,
    #"{"enum":1}"#,
    #"{"minLength":-1}"#, #"{"minLength":1.5}"#, #"{"maxItems":"1"}"#, #"{"minimum":"0"}"#,
    #"{"exclusiveMinimum":true}"#,
    #"{"multipleOf":0}"#, #"{"multipleOf":-1}"#, #"{"pattern":1}"#, #"{"anyOf":[]}"#, #"{"anyOf":{}}"#,
    #"{"allOf":[1]}"#,
    #"{"properties":[]}"#, #"{"properties":{"a":1}}"#, #"{"required":"a"}"#, #"{"required":[1]}"#, #"{"items":[]}"#,
    #"{"items":[1]}"#, #"{"not":1}"#, #"{"dependencies":1}"#, #"{"patternProperties":[]}"#, #"{"uniqueItems":1}"#,
    #"{"additionalProperties":1}"#, #"{"prefixItems":[]}"#, #"{"$ref":1}"#,
  ])
  func malformedSchemasAreErrors(text: String) throws {
    guard case .malformed = error(try JSONValue(parsing: text)) else {
      Issue.record("\(text): \(String(describing: error(try JSONValue(parsing: text))))")
      return
    }
  }

  @Test(arguments: [
    #"false"#, #"{"type":"array","minItems":3,"maxItems":2}"#, #"{"type":"string","minLength":3,"maxLength":2}"#,
    #"{"type":"integer","minimum":3,"maximum":2}"#, #"{"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":4}"#,
    #"{"type":"number","exclusiveMinimum":3,"maximum":3}"#, #"{"type":"integer","enum":["a"]}"#,
    #"{"const":1,"enum":[2]}"#,
    #"{"type":"string","pattern":"^a$","minLength":2}"#,
    #"{"type":"string","allOf":[{"pattern":"^a"},{"pattern":"^b"}]}"#,
    #"{"type":"integer","minimum":8,"maximum":13,"multipleOf":7,"allOf":[{"multipleOf":2},{"minimum":9}],"not_a_keyword":1,"exclusiveMaximum":13}"#,
    #"{"allOf":[{"type":"integer"},{"type":"string"}]}"#,
    #"{"type":"object","required":["a"],"additionalProperties":false}"#,
    #"{"type":"object","properties":{"a":false},"required":["a"]}"#,
    #"{"type":"object","required":["a","b"],"maxProperties":1}"#,
    #"{"type":"object","properties":{"a":{}},"additionalProperties":false,"minProperties":2}"#,
    #"{"type":"array","items":false,"minItems":1}"#, #"{"type":"array","prefixItems":[false],"minItems":1}"#,
    #"{"type":"object","properties":{"deep":{"type":"array","minItems":2,"maxItems":1}}}"#,
    ##"{"$ref":"#"}"##, ##"{"anyOf":[{"$ref":"#"},{"type":"null"}]}"##,
    ##"{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
    ##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##,
    ##"{"type":"array","items":{"$ref":"#"},"minItems":1}"##,
  ])
  func schemasWithoutValuesAreErrors(text: String) throws {
    guard case .contradictory = error(try JSONValue(parsing: text)) else {
      Issue.record("\(text): \(String(describing: error(try JSONValue(parsing: text))))")
      return
    }
  }

  @Test(arguments: [
    ##"{"$ref":"#/$defs/a"}"##, ##"{"$ref":"#/$defs/a/0","$defs":{"a":[]}}"##, ##"{"$ref":"#/%"}"##,
    ##"{"$ref":"#/%FF"}"##,
  ])
  func referencesThatLeadNowhereAreErrors(text: String) throws {
    guard case .unresolvedReference = error(try JSONValue(parsing: text)) else {
      Issue.record("\(text)")
      return
    }
  }

  @Test(arguments: [
    #"{"oneOf":[{"type":"string","format":"date"},{"type":"string","format":"uuid"}]}"#,
    #"{"type":"object","not":{"additionalProperties":{"type":"string"}}}"#,
    #"{"type":"array","not":{"uniqueItems":true}}"#,
    #"{"type":"array","items":{"type":"object"},"uniqueItems":true}"#,
    #"{"type":"array","contains":{},"maxContains":2}"#,
  ])
  func whatCannotBeFollowedIsRefused(text: String) throws {
    guard case .unsupported = error(try JSONValue(parsing: text)) else {
      Issue.record("\(text)")
      return
    }
  }

  @Test(arguments: [
    "(", ")", "a)", "(a", "[", "[a", "[b-a]", "*", "a**", "a{2", "a{3,2}", "a{99999999999}", "\\", "\\1", "(?=a)",
    "(?!a)", "(?<=a)b",
    "\\bx", "\\p{L}", "\\u12", "\\ud800", "\\u{110000}", "[\\d-z]", "(?i)a", "\\x4", "^*", "{", "[[:alpha:]]", "(?<n",
    "\\q",
  ])
  func patternsThatAreNotRegularAreErrors(pattern: String) {
    let found = error(["type": "string", "pattern": .string(pattern)])
    guard case .malformedPattern = found else {
      Issue.record("\(pattern): \(String(describing: found))")
      return
    }
  }

  /// Everything here either compiles or is an error, soon.
  @Test func hostileSchemasCostLittle() throws {
    let clock = ContinuousClock()
    for (name, schema) in HostileSchemas.all {
      let time = clock.measure { _ = error(schema) }
      // An optimised build takes less than a second; the bound is for builds without, on a machine with other work.
      #expect(time < .seconds(120), "\(name) took \(time)")
    }
  }
}
