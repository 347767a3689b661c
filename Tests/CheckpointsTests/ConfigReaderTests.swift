import Checkpoints
import JSON
import Testing

struct ConfigReaderTests {
  func reader(_ text: String) throws -> ConfigReader { try ConfigReader(JSONValue(parsing: text), path: "config.json") }

  func problem(_ body: () throws(CheckpointError) -> Any?) -> CheckpointError.SettingProblem? {
    guard case .setting("config.json", _, let problem) = failure(of: body) else { return nil }
    return problem
  }

  @Test func settingsAreTyped() throws {
    let config = try reader(
      #"{"n":3,"f":1.5,"i":10000,"b":true,"s":"silu","z":null,"l":[1,2],"t":["x","y"],"o":{"p":{"q":1}}}"#)
    #expect(try config.int("n", in: 1...3) == 3)
    #expect(try config.double("f", in: 0...2) == 1.5)
    #expect(try config.double("i", in: 0...1e6) == 10000)
    #expect(try config.bool("b"))
    #expect(try config.string("s", oneOf: ["gelu", "silu"]) == "silu")
    #expect(try config.ints("l", in: 0...9, maxCount: 2) == [1, 2])
    #expect(try config.ints("n", in: 0...9, maxCount: 2) == [3])
    #expect(try config.strings("t", maxCount: 2) == ["x", "y"])
    #expect(try config.nested("o").nested("p").int("q", in: 0...1) == 1)
    #expect(config.has("n") && !config.has("z") && !config.has("y") && config.has(["y", "n"]))
  }

  @Test func nullAndAbsenceAreMissing() throws {
    let config = try reader(#"{"z":null}"#)
    for key in ["z", "y"] as [ConfigKeys] {
      #expect(try config.optionalInt(key, in: 0...1) == nil)
      #expect(try config.optionalDouble(key, in: 0...1) == nil)
      #expect(try config.optionalBool(key) == nil)
      #expect(try config.optionalString(key) == nil)
      #expect(try config.optionalInts(key, in: 0...1, maxCount: 1) == nil)
      #expect(try config.optionalStrings(key, maxCount: 1) == nil)
      #expect(try config.optionalNested(key) == nil)
      #expect(problem { () throws(CheckpointError) in try config.int(key, in: 0...1) } == .missing)
      #expect(problem { () throws(CheckpointError) in try config.nested(key).path } == .missing)
    }
  }

  @Test(arguments: ["2.0", "1e3", "-0", "9223372036854775808", "1E0", "0.5", "-9223372036854775809"])
  func integersMustBePlain(number: String) throws {
    let config = try reader("{\"n\":\(number)}")
    #expect(
      problem { () throws(CheckpointError) in try config.int("n", in: .min ... .max) } == .notAnExactInteger(number))
  }

  @Test func numbersMustBeInRangeAndFinite() throws {
    for number in ["-1", "0", "1025", "9223372036854775807"] {
      let config = try reader("{\"n\":\(number)}")
      #expect(
        problem { () throws(CheckpointError) in try config.int("n", in: 1...1024) }
          == .outOfRange(found: number, lower: "1", upper: "1024"))
    }
    for number in ["1e999", "-1e999", "1.0000001", "-0.1", String(repeating: "9", count: 400)] {
      let config = try reader("{\"n\":\(number)}")
      guard case .outOfRange = problem({ () throws(CheckpointError) in try config.double("n", in: 0...1) }) else {
        Issue.record("\(number)")
        continue
      }
      let infinite = -Double.infinity...Double.infinity
      if number.contains("999") {
        #expect(problem { () throws(CheckpointError) in try config.double("n", in: infinite) } != nil)
      }
    }
  }

  @Test(arguments: ["\"1\"", "true", "[1]", "{}"]) func otherKindsAreRefused(value: String) throws {
    let config = try reader("{\"n\":\(value)}")
    func wrong(_ body: () throws(CheckpointError) -> Any?) -> Bool {
      guard case .wrongKind = problem(body) else { return false }
      return true
    }
    #expect(wrong { () throws(CheckpointError) in try config.int("n", in: 0...1) })
    #expect(wrong { () throws(CheckpointError) in try config.double("n", in: 0...1) })
    #expect(wrong { () throws(CheckpointError) in try config.bool("n") } == (value != "true"))
    #expect(wrong { () throws(CheckpointError) in try config.string("n") } == (value != "\"1\""))
    #expect(wrong { () throws(CheckpointError) in try config.nested("n").path } == (value != "{}"))
    #expect(wrong { () throws(CheckpointError) in try config.ints("n", in: 0...1, maxCount: 1) } == (value != "[1]"))
    #expect(wrong { () throws(CheckpointError) in try config.strings("n", maxCount: 1) })
  }

  @Test func aliasesMustAgree() throws {
    let keys: ConfigKeys = ["num_experts", "n_routed_experts"]
    #expect(try reader(#"{"n_routed_experts":8}"#).int(keys, in: 1...9) == 8)
    #expect(try reader(#"{"n_routed_experts":8,"num_experts":8}"#).int(keys, in: 1...9) == 8)
    #expect(try reader(#"{"n_routed_experts":8,"num_experts":null}"#).int(keys, in: 1...9) == 8)
    let config = try reader(#"{"n_routed_experts":8,"num_experts":7}"#)
    #expect(
      problem { () throws(CheckpointError) in try config.int(keys, in: 1...9) } == .disagrees(with: "n_routed_experts"))
    // Every alias present is checked, not only the first.
    let hostile = try reader(#"{"num_experts":8,"n_routed_experts":-8}"#)
    #expect(problem { () throws(CheckpointError) in try hostile.int(keys, in: 1...9) } != nil)
  }

  @Test func listsAreBoundedAndCheckedInFull() throws {
    let config = try reader(#"{"l":[1,2,3],"m":[1,"2"],"s":["a",1]}"#)
    #expect(
      problem { () throws(CheckpointError) in try config.ints("l", in: 0...9, maxCount: 2) }
        == .tooManyElements(limit: 2))
    #expect(problem { () throws(CheckpointError) in try config.ints("l", in: 0...2, maxCount: 3) } != nil)
    #expect(problem { () throws(CheckpointError) in try config.ints("m", in: 0...9, maxCount: 3) } != nil)
    #expect(problem { () throws(CheckpointError) in try config.strings("s", maxCount: 3) } != nil)
  }

  @Test func errorsNameTheFileAndTheWholeKey() throws {
    let config = try reader(#"{"rope":{"factor":"x"},"act":"relu"}"#)
    let nested = failure { () throws(CheckpointError) in try config.nested("rope").double("factor", in: 0...1) }
    #expect(nested?.description == #""config.json": "rope.factor" is a string where a number should be"#)
    let choice = failure { () throws(CheckpointError) in try config.string("act", oneOf: ["silu"]) }
    #expect(choice?.description == #""config.json": "act" is "relu"; supported: "silu""#)
    let missing = failure { () throws(CheckpointError) in try config.int(["a", "b"], in: 0...1) }
    #expect(missing?.description == #""config.json": "a or b" is missing"#)
    #expect(throws: CheckpointError.self) { try reader("[]") }
  }
}
