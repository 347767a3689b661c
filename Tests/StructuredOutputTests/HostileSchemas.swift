import JSON

/// Schemas made to cost much.
enum HostileSchemas {
  static var all: [(name: String, schema: JSONValue)] {
    func nested(_ count: Int, _ inner: JSONValue, _ wrap: (JSONValue) -> JSONValue) -> JSONValue {
      (0..<count).reduce(inner) { value, _ in wrap(value) }
    }
    let names = (0..<3000).map { "property_number_\($0)" }
    let twins: JSONValue = [
      ["type": "integer", "minimum": 1], ["type": "integer", "maximum": 9], ["type": "string"], ["type": "null"],
    ]
    var hostile: [(name: String, schema: JSONValue)] = [
      ("deep allOf", nested(500, ["type": "null"]) { ["allOf": [$0]] }),
      ("deep arrays", nested(500, ["type": "null"]) { ["type": "array", "minItems": 1, "items": $0] }),
      ("deep objects", nested(500, ["type": "null"]) { ["type": "object", "properties": ["a": $0]] }),
      ("exponential allOf", ["allOf": .array([JSONValue](repeating: ["anyOf": twins], count: 60))]),
      (
        "exponential reference",
        [
          "$ref": "#/$defs/d30",
          "$defs": .object(
            JSONObject(
              (0...30).map { i in
                (
                  "d\(i)",
                  i == 0
                    ? ["type": "null"]
                    : ["allOf": [["$ref": .string("#/$defs/d\(i - 1)")], ["$ref": .string("#/$defs/d\(i - 1)")]]]
                )
              })),
        ]
      ),
      (
        "distinct anyOfs",
        [
          "allOf": .array(
            (0..<40).map { i in
              ["anyOf": [["required": [.string("a\(i)")]], ["required": [.string("b\(i)")]]]]
            })
        ]
      ),
      ("huge enum", ["enum": .array((0..<200_000).map { .string("value \($0)") })]),
      ("huge text", ["const": .string(String(repeating: "x", count: 3_000_000))]),
      (
        "many properties",
        ["type": "object", "properties": .object(JSONObject(names.map { ($0, ["type": "string", "maxLength": 50]) }))]
      ),
      ("many required", ["type": "object", "required": .array(names.map { .string($0) })]),
      ("huge length", ["type": "string", "minLength": 1_000_000_000]),
      ("long length", ["type": "string", "maxLength": 90_000]),
      ("huge count", ["type": "array", "minItems": 1_000_000_000_000]),
      ("absurd bound", ["type": "number", "minimum": .number(JSONNumber(text: "1e999999999"))]),
      ("absurd small", ["type": "number", "maximum": .number(JSONNumber(text: "1e-99999"))]),
      ("listed in itself", ["enum": [["a": 1], ["a": 2]], "properties": ["a": ["$ref": "#"]]]),
      (
        "many branches",
        [
          "anyOf": .array(
            (0..<2000).map {
              ["type": "object", "properties": ["k": ["const": .int($0)], "v": ["$ref": "#"]], "required": ["k"]]
            })
        ]
      ),
      ("oneOf of many", ["oneOf": .array((0..<400).map { ["type": "string", "pattern": .string("^x*\($0)$")] })]),
    ]
    for pattern in [
      "(a|a)*b", "(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "a{1000}{1000}", "((a{1,100}){1,100}){1,100}",
      "(.*a.{30})",
      "(a|b)*a(a|b){18}", String(repeating: "(", count: 5000),
      String(repeating: "(a|", count: 40) + "b" + String(repeating: ")*", count: 40),
      String(repeating: "(\\W|", count: 30) + "b" + String(repeating: ")+", count: 30), "[\\w\\W]{1,5000}",
    ] { hostile.append((String(pattern.prefix(40)), ["type": "string", "pattern": .string(pattern)])) }
    return hostile
  }
}
