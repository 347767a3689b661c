import JSON
import StructuredOutput
import TestSupport

extension FuzzTarget {
  static let schemas = [schema, grammar]

  /// One token a byte, some longer ones, and one that ends the output.
  private static let vocabulary = TokenVocabulary(
    tokens: (0..<256).map { [UInt8($0)] } + [nil] + ["{\"", "\":", "true", "12", " the", "é"].map { Array($0.utf8) },
    special: [], endTokens: [256])

  private static let schema = FuzzTarget(
    "schema", inputs: 1200,
    pieces: jsonPieces + [
      "\"type\":", "\"string\"", "\"integer\"", "\"object\"", "\"array\"", "\"$ref\":\"#\"", "\"not\":{}",
      "\"allOf\":[",
      "\"pattern\":\"^a+$\"", "\"minLength\":", "\"multipleOf\":", "\"properties\":{", "\"required\":[\"a\"]",
      "\"enum\":[",
      "\"format\":\"date\"", "\"if\":", "\"uniqueItems\":true", "\"additionalProperties\":false", "\"contains\":",
    ],
    seeds: {
      [
        #"{"type":"object","properties":{"a":{"type":"array","items":{"enum":[1,"b",null]},"maxItems":3},"c":{"type":"string","pattern":"^[a-z]{1,3}$"}},"required":["a"],"additionalProperties":false}"#,
        ##"{"$defs":{"t":{"type":"object","properties":{"v":{"type":"integer","minimum":-3,"maximum":20},"n":{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}]}},"required":["v"]}},"$ref":"#/$defs/t"}"##,
        #"{"oneOf":[{"type":"number","multipleOf":0.25,"minimum":0,"maximum":2},{"type":"string","format":"date"}]}"#,
        #"{"type":"object","patternProperties":{"^x_":{"type":"boolean"}},"propertyNames":{"maxLength":6},"minProperties":1,"maxProperties":3}"#,
        #"{"if":{"properties":{"k":{"const":"a"}}},"then":{"required":["p"]},"else":{"required":["q"]},"type":"object","dependentRequired":{"p":["q"]}}"#,
        #"{"allOf":[{"type":"array","prefixItems":[{"type":"string","minLength":2}],"items":{"type":"integer"}},{"not":{"maxItems":0}}],"uniqueItems":false,"contains":{"type":"integer"}}"#,
      ].map { Array($0.utf8) }
    },
    read: { try follow(.json(try JSONValue(parsing: $0)), $0.count) })

  private static let grammar = FuzzTarget(
    "grammar", inputs: 1500, pieces: jsonPieces + ["\"until\"", "\"repeated\"", "\"sequence\"", "\"at_least\":"],
    seeds: {
      let grammars: [OutputGrammar] = [
        .sequence([.until("</think>"), .json(["type": "integer", "maximum": 12]), .text("é\n")]),
        .repeated(.choice([.text("a"), .jsonObject]), separator: ", ", atLeast: 1, atMost: 3),
      ]
      return grammars.map { Array($0.json.text().utf8) }
    },
    read: { try follow(try OutputGrammar(json: try JSONValue(parsing: $0)), $0.count) })

  /// Walks through an output: masks are never empty, and what they allow is taken.
  @Sendable private static func follow(_ output: OutputGrammar, _ seed: Int) throws {
    let grammar = try CompiledGrammar(output, vocabulary: vocabulary)
    var state = grammar.makeState()
    var random = SeededGenerator(UInt64(seed))
    for _ in 0..<12 {
      let mask = state.allowedTokens()
      let allowed = (0..<Int32(262)).filter { mask.contains($0) }
      guard let token = allowed.randomElement(using: &random) else {
        throw FuzzTarget.Broken(description: "nothing may follow")
      }
      guard token != 256 else { break }
      try hold(state.advance(token), "token \(token) is allowed and not taken")
    }
  }
}
