import JSON

/// Schemas of the kinds that people send, each one line of JSON.
enum SchemaCorpus {
  static var all: [String] {
    scalars + strings + arrays + objects + combinations + negations + unique + conditions + recursive
  }

  static let scalars = [
    #"true"#,
    #"{}"#,
    #"{"type":"null"}"#,
    #"{"type":"boolean"}"#,
    #"{"type":"integer"}"#,
    #"{"type":"number"}"#,
    #"{"type":["string","null"]}"#,
    #"{"type":["integer","boolean","null"]}"#,
    #"{"enum":["red","green","blue",3,null,{"a":[1,2]},[true]]}"#,
    #"{"const":{"kind":"x","list":[1,"two",null]}}"#,
    #"{"type":"integer","enum":[1,"a",2.0,3.5]}"#,
    #"{"type":"integer","minimum":0,"maximum":150}"#,
    #"{"type":"integer","minimum":-17,"maximum":1234}"#,
    #"{"type":"integer","exclusiveMinimum":99,"exclusiveMaximum":101}"#,
    #"{"type":"integer","maximum":-5}"#,
    #"{"type":"integer","minimum":1000000}"#,
    #"{"type":"integer","multipleOf":7,"minimum":50,"maximum":500}"#,
    #"{"type":"number","minimum":0,"maximum":1}"#,
    #"{"type":"number","minimum":-1.25,"exclusiveMaximum":3.5e1}"#,
    #"{"type":"number","exclusiveMinimum":0}"#,
    #"{"type":"number","multipleOf":0.5,"minimum":-10,"maximum":10}"#,
    #"{"type":"number","maximum":1e308}"#,
  ]

  static let strings = [
    #"{"type":"string"}"#,
    #"{"type":"string","minLength":1}"#,
    #"{"type":"string","minLength":3,"maxLength":8}"#,
    #"{"type":"string","maxLength":0}"#,
    #"{"type":"string","pattern":"^[A-Z]{2}\\d{4}$"}"#,
    #"{"type":"string","pattern":"^(foo|ba[rz])+$","maxLength":12}"#,
    #"{"type":"string","pattern":"a\\.b","maxLength":10}"#,
    #"{"type":"string","pattern":"^[^\"\\\\a-y]{1,4}$"}"#,
    #"{"type":"string","pattern":"^\\w+@\\w+\\.(com|org)$","maxLength":20}"#,
    #"{"type":"string","pattern":"^\\S{1,5}\\s\\D$"}"#,
    #"{"type":"string","pattern":"^[äöü日本]{2,3}$"}"#,
    #"{"type":"string","format":"date"}"#,
    #"{"type":"string","format":"time"}"#,
    #"{"type":"string","format":"date-time"}"#,
    #"{"type":"string","format":"uuid"}"#,
    #"{"type":"string","format":"email"}"#,
    #"{"type":"string","format":"ipv4"}"#,
    #"{"type":"string","format":"ipv6"}"#,
    #"{"type":"string","format":"hostname"}"#,
    #"{"type":"string","format":"uri","maxLength":60}"#,
    #"{"type":"string","format":"duration"}"#,
    #"{"type":"string","format":"no-such-format","maxLength":5}"#,
  ]

  static let arrays = [
    #"{"type":"array","items":{"type":"integer"}}"#,
    #"{"type":"array","items":{"type":"string","maxLength":3},"minItems":2,"maxItems":4}"#,
    #"{"type":"array","prefixItems":[{"type":"string"},{"type":"number"}],"items":false}"#,
    #"{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"type":"boolean"},"minItems":1}"#,
    #"{"type":"array","items":{"type":"array","items":{"type":"integer","minimum":0,"maximum":9},"minItems":2,"maxItems":2},"minItems":1,"maxItems":3}"#,
    #"{"type":"array","maxItems":0}"#,
    #"{"items":{"type":"null"},"type":"array","uniqueItems":false}"#,
  ]

  static let objects = [
    #"{"type":"object"}"#,
    #"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150}},"required":["name","age"],"additionalProperties":false}"#,
    #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"},"c":{"type":"null"}},"required":["b"],"additionalProperties":false}"#,
    #"{"type":"object","properties":{"a":{"type":"integer"},"ab":{"type":"boolean"},"abc":{"type":"null"}}}"#,
    #"{"type":"object","additionalProperties":{"type":"integer"}}"#,
    #"{"type":"object","properties":{"id":{"type":"string","format":"uuid"}},"required":["id","extra"],"additionalProperties":{"type":"boolean"}}"#,
    #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"additionalProperties":false,"minProperties":2}"#,
    #"{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"additionalProperties":{"type":"null"},"minProperties":2,"maxProperties":3}"#,
    #"{"type":"object","properties":{"q\"uote\\ \n\t é":{"type":"integer"},"no":false},"required":["q\"uote\\ \n\t é"]}"#,
    #"{"title":"Weather","description":"d","type":"object","properties":{"location":{"type":"string","description":"City","examples":["Paris"]},"unit":{"type":"string","enum":["celsius","fahrenheit"],"default":"celsius"}},"required":["location"],"additionalProperties":false,"$schema":"https://json-schema.org/draft/2020-12/schema"}"#,
  ]

  static let combinations = [
    #"{"anyOf":[{"type":"string","maxLength":4},{"type":"integer"},{"type":"array","items":{"type":"null"}}]}"#,
    #"{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"}},"required":["kind","r"]},{"type":"object","properties":{"kind":{"const":"square"},"side":{"type":"number"}},"required":["kind","side"],"additionalProperties":false}]}"#,
    #"{"oneOf":[{"type":"integer","maximum":5},{"type":"integer","minimum":6},{"type":"null"}]}"#,
    #"{"oneOf":[{"type":"string","pattern":"^a"},{"type":"string","pattern":"^b"}],"maxLength":6}"#,
    #"{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"minimum":5,"maximum":9},"b":{"type":"string"}},"required":["b"]}]}"#,
    #"{"allOf":[{"type":["string","integer"]},{"anyOf":[{"type":"integer","minimum":3},{"type":"null"}]}]}"#,
    #"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}],"additionalProperties":false}"#,
    ##"{"type":"object","properties":{"x":{"anyOf":[{"$ref":"#/$defs/point"},{"type":"null"}]}},"required":["x"],"additionalProperties":false,"$defs":{"point":{"type":"array","items":{"type":"number","minimum":-1,"maximum":1},"minItems":2,"maxItems":2}}}"##,
    #"{"anyOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"type":"string"}},"required":["a"]}],"type":"object"}"#,
    #"{"type":"object","properties":{"k":{"enum":["x","y"]}},"anyOf":[{"properties":{"k":{"const":"z"}},"required":["k"]},{"properties":{"k":{"const":"y"}},"required":["k"]}],"additionalProperties":false}"#,
  ]

  static let negations = [
    #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"}},"not":{"required":["a","b"]},"additionalProperties":false}"#,
    #"{"type":["string","integer","null"],"not":{"enum":["x",3,null]},"maxLength":4}"#,
    #"{"type":"string","not":{"pattern":"^a|\\d$"},"maxLength":5}"#,
    #"{"type":"string","not":{"anyOf":[{"minLength":4},{"const":""}]}}"#,
    #"{"not":{"type":["object","array","string"]}}"#,
    #"{"type":"integer","minimum":0,"maximum":50,"not":{"minimum":10,"maximum":40}}"#,
    #"{"type":"array","items":{"type":"integer","minimum":0,"maximum":9},"not":{"items":{"maximum":4}},"maxItems":5}"#,
    #"{"oneOf":[{"type":"integer"},{"type":"number","maximum":5}]}"#,
    #"{"oneOf":[{"type":"string","pattern":"a"},{"type":"string","pattern":"b"}],"maxLength":6}"#,
    #"{"oneOf":[{"properties":{"k":{"const":1}}},{"properties":{"k":{"const":2}}}],"type":"object","properties":{"k":{"type":"integer","minimum":0,"maximum":3}},"additionalProperties":false}"#,
    #"{"oneOf":[{"required":["a"]},{"required":["b"]},{"required":["c"]}],"properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},"type":"object","additionalProperties":false}"#,
    #"{"type":"object","properties":{"a":{"type":"null"}},"not":{"properties":{"a":{}},"additionalProperties":false},"additionalProperties":{"type":"integer"}}"#,
    #"{"oneOf":[{"properties":{"a":{"type":"null"},"b":{"type":"null"}},"additionalProperties":false},{"properties":{"a":{"type":"null"},"c":{"type":"null"}},"additionalProperties":false}],"type":"object"}"#,
    #"{"type":"number","not":{"type":"integer"},"minimum":-2,"maximum":2}"#,
    #"{"oneOf":[{"type":"array","maxItems":2},{"type":"array","minItems":2}],"items":{"type":"null"},"maxItems":4}"#,
  ]

  static let unique = [
    #"{"type":"array","items":{"type":"integer"},"uniqueItems":true}"#,
    #"{"type":"array","items":{"type":"integer","minimum":0,"maximum":11},"uniqueItems":true,"minItems":3}"#,
    #"{"type":"array","items":{"type":"number","minimum":-1,"maximum":1},"uniqueItems":true,"maxItems":6}"#,
    #"{"type":"array","items":{"type":"string"},"uniqueItems":true}"#,
    #"{"type":"array","items":{"type":"string","pattern":"^[ab]{1,2}$"},"uniqueItems":true,"minItems":4}"#,
    #"{"type":"array","items":{"enum":["a","ab","é","b\n"]},"uniqueItems":true}"#,
    #"{"type":"array","items":{"type":["string","integer"],"minimum":0,"maximum":3},"uniqueItems":true,"maxItems":5}"#,
    #"{"type":"array","items":{"enum":[1,12,-3,"a"]},"uniqueItems":true,"minItems":2}"#,
    #"{"type":"array","contains":{"type":"string","maxLength":2},"items":{"type":["string","integer"],"maxLength":3},"maxItems":4}"#,
    #"{"type":"array","allOf":[{"contains":{"const":1}},{"contains":{"const":2}}],"items":{"enum":[1,2,3]},"maxItems":4}"#,
    #"{"type":"array","items":[{"type":"null"},{"type":"boolean"}],"additionalItems":{"type":"integer"}}"#,
    #"{"type":"array","items":[{"type":"null"}],"additionalItems":false,"minItems":1}"#,
  ]

  static let conditions = [
    #"{"type":"object","properties":{"kind":{"enum":["a","b"]},"x":{"type":"integer"}},"required":["kind"],"if":{"properties":{"kind":{"const":"a"}}},"then":{"required":["x"]},"else":{"not":{"required":["x"]}},"additionalProperties":false}"#,
    #"{"type":["integer","string"],"if":{"type":"integer"},"then":{"minimum":3,"maximum":9},"else":{"maxLength":2}}"#,
    #"{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}},"dependencies":{"a":["b"],"b":["c"]},"additionalProperties":false}"#,
    #"{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"integer"}},"dependentSchemas":{"a":{"required":["b"],"properties":{"b":{"minimum":5,"maximum":7}}}},"dependentRequired":{"b":["a"]},"additionalProperties":false}"#,
    #"{"type":"object","patternProperties":{"^x-":{"type":"integer"},"z$":{"minimum":3}},"additionalProperties":{"type":"boolean"}}"#,
    #"{"type":"object","properties":{"x-a":{"type":["integer","string"],"maxLength":3}},"patternProperties":{"^x-":{"type":"integer"}},"additionalProperties":false}"#,
    #"{"type":"object","propertyNames":{"pattern":"^[a-c]{1,3}$"},"additionalProperties":{"type":"null"},"maxProperties":3}"#,
    #"{"type":"object","propertyNames":{"enum":["one","two"]},"additionalProperties":{"type":"integer"},"minProperties":1}"#,
    #"{"type":"number","minimum":0,"exclusiveMinimum":true,"maximum":1}"#,
    #"{"type":"object","properties":{"bad":{"type":"string","enum":[1]},"good":{"type":"integer"}},"required":["good"],"additionalProperties":false}"#,
  ]

  static let recursive = [
    ##"{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["value"],"additionalProperties":false}}}"##,
    ##"{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["next"],"additionalProperties":false}"##,
    ##"{"$defs":{"expr":{"anyOf":[{"type":"number"},{"type":"array","prefixItems":[{"enum":["+","*"]},{"$ref":"#/$defs/expr"},{"$ref":"#/$defs/expr"}],"items":false,"minItems":3}]}},"$ref":"#/$defs/expr"}"##,
    ##"{"type":"array","items":{"$ref":"#"},"maxItems":3}"##,
    ##"{"type":"object","additionalProperties":{"$ref":"#"}}"##,
  ]
}
