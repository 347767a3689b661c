import ExpertParallelism
import Fabric
import JSON
import Testing

/// Files of placements: what is written is read, and whatever else is refused with its place and what to do.
struct PlacementFileTests {
  private let file: PlacementFile = {
    let first = ExpertPlacement(
      owners: [0, 1, 1, 0].map { Rank($0) }, replicas: [[Rank(1)], [], [], []], rankCount: 2)
    let second = ExpertPlacement(owners: [1, 1, 0, 0].map { Rank($0) }, rankCount: 2)
    return PlacementFile(
      model: "m",
      placement: ModelPlacement(ExpertPlacement(expertCount: 4, rankCount: 2), layers: [1: first, 3: second]),
      layers: [1, 3],
      loads: ExpertLoads(layers: [1, 3], visits: [[3, 0, 0.5, 1], [1, 2, 3, 4]], steps: 7))
  }()

  private func read(_ json: JSONValue) throws(PlacementError) -> PlacementFile {
    try PlacementFile(json: json, path: "p.json")
  }

  /// The file with one of its members, or of its first layer's, replaced; nil takes it away.
  private func changed(_ key: String, _ value: JSONValue?, inLayer: Bool = false) throws -> JSONValue {
    var object = try #require(file.json.object)
    guard inLayer else {
      object[key] = value
      return .object(object)
    }
    var layers = try #require(object["layers"]?.array)
    var layer = try #require(layers[0].object)
    layer[key] = value
    layers[0] = .object(layer)
    object["layers"] = .array(layers)
    return .object(object)
  }

  private func reason(_ json: JSONValue) -> String? {
    do throws(PlacementError) {
      _ = try read(json)
      return nil
    } catch { return "\(error)" }
  }

  @Test func whatIsWrittenIsRead() throws {
    let text = file.json.text()
    let again = try read(try JSONValue(parsing: text))
    #expect(again == file && again.loads == file.loads && again.layers == [1, 3])
    #expect(again.placement[1].replicas[0] == [Rank(1)] && again.placement[3].owner(of: 2) == Rank(0))
    // A run's report has one in it.
    let report: JSONValue = ["schema": "martinet-report", "placement": file.json]
    #expect(try read(report).placement == file.placement)
    #expect(reason(["schema": "martinet-report"])?.contains("before reports told placements") == true)
    #expect(try read(try changed("visits", nil, inLayer: true)).loads == nil, "visits of some layers are of no use")
  }

  @Test func membersThatAreMissingOrOfAnotherKindAreNamed() throws {
    for (key, word) in [
      ("schema", "schema"), ("version", "version"), ("experts", "experts"), ("ranks", "ranks"), ("layers", "layers"),
    ] {
      #expect(reason(try changed(key, nil))?.contains("\(word) is missing") == true, "\(key)")
      #expect(reason(try changed(key, ["a": 1]))?.contains(word) == true, "\(key)")
    }
    for key in ["layer", "owners"] {
      #expect(reason(try changed(key, nil, inLayer: true))?.contains("layers[0].\(key) is missing") == true)
    }
    for text in ["[]", "7", "null", "{}"] {
      let found = try #require(reason(try JSONValue(parsing: text)))
      #expect(found.contains("p.json") && found.contains("martinet placement"), "what to do: \(found)")
    }
  }

  @Test func numbersThatCannotBeAreRefused() throws {
    func refused(_ key: String, _ text: String, inLayer: Bool = true, _ word: String) throws {
      let value = try JSONValue(parsing: text, limits: JSONLimits(allowsNonFinite: true))
      let found = reason(try changed(key, value, inLayer: inLayer))
      #expect(found?.contains(word) == true, "\(key) \(text): \(found ?? "taken")")
    }
    try refused("owners", "[0,1,2,0]", "layers[0].owners[2] is 2")
    try refused("owners", "[0,1,-1,0]", "layers[0].owners[2] is -1")
    try refused("owners", "[0,1,1]", "of 3 experts, not 4")
    try refused("owners", "[0,1,0.5,0]", "owners[2]")
    try refused("replicas", "[[0,0]]", "rank 0 has expert 0 twice")
    try refused("replicas", "[[1,0],[1,0]]", "rank 0 has expert 1 twice")
    try refused("replicas", "[[4,0]]", "replicas[0][0] is 4")
    try refused("replicas", "[[0,2]]", "replicas[0][1] is 2")
    try refused("replicas", "[[0]]", "is not [expert, rank]")
    try refused("visits", "[1,2,3]", "of 3 experts, not 4")
    try refused("visits", "[1,2,NaN,4]", "visits[2] is NaN")
    try refused("visits", "[1,2,-1,4]", "visits[2] is -1")
    try refused("visits", "[1,2,Infinity,4]", "visits[2] is Infinity")
    try refused("layer", "3", "layer 3 is there twice")
    try refused("layer", "-1", "layers[0].layer is -1")
    try refused("version", "2", inLayer: false, "version is not 1")
    try refused("experts", "0", inLayer: false, "experts is 0")
    try refused("experts", "5", inLayer: false, "of 4 experts, not 5")
    try refused("ranks", "1000000000", inLayer: false, "ranks is 1000000000")
    try refused("steps", "NaN", inLayer: false, "steps is NaN")
  }

  @Test func aPlacementForAnotherRunSaysWhatDoesNotFit() throws {
    func reason(experts: Int = 4, layers: [Int] = [1, 3], modules: Range<Int> = 0..<0, ranks: Int = 2) -> String? {
      do throws(PlacementError) {
        try file.check(expertCount: experts, layers: layers, modules: modules, rankCount: ranks, path: "p.json")
        return nil
      } catch { return "\(error)" }
    }
    #expect(reason() == nil)
    #expect(reason(experts: 8)?.contains("4 experts a layer, the model has 8") == true)
    #expect(reason(experts: 0)?.contains("dense") == true)
    #expect(
      reason(ranks: 3)?.contains("for 2 ranks, this run has 3") == true
        && reason(ranks: 3)?.contains("--ranks 3") == true)
    #expect(reason(layers: [1, 2, 3])?.contains("nothing of layer 2") == true)
    #expect(reason(layers: [1])?.contains("layer 3, which has no experts") == true)
    // A module that runs in one of two runs only.
    #expect(reason(layers: [1], modules: 3..<4) == nil && reason(layers: [1, 3, 4], modules: 4..<5) == nil)
    // A deeper model's layer is none.
    #expect(reason(layers: [1], modules: 2..<3)?.contains("layer 3, which has no experts") == true)
    #expect(reason(layers: [1, 2, 3], modules: 4..<5)?.contains("nothing of layer 2") == true)
    #expect(file.placement(of: [1, 3]) == file.placement)
    let (own, more) = (file.placement(of: [1]), file.placement(of: [1, 3, 4]))
    #expect(own[1] == file.placement[1] && own[3] == file.placement.base)
    #expect(more[3] == file.placement[3] && more[4] == file.placement.base)
    #expect(throws: Never.self) { try file.check(capacity: 5, layers: [1, 3], path: "p.json") }
    // Rank 1 has three of the first layer and two of the second, a quarter more than the mean.
    do throws(PlacementError) {
      try file.check(capacity: 4, layers: [1, 3], path: "p.json")
      Issue.record("more experts than there is room for")
    } catch {
      #expect("\(error)".contains("rank 1 5 experts") && "\(error)".contains("--replica-memory 25"), "\(error)")
    }
  }
}
