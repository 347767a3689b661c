import Fabric
import JSON

/// A placement as it lies in a file, or travels to other ranks, with the visits that it was planned from.
///
/// `{"schema": "martinet-placement", "version": 1, "model", "experts", "ranks", "steps"?, "layers": [{"layer",
/// "owners": [rank of each expert], "replicas": [[expert, rank], …], "visits"?: [of each expert]}, …]}`.
package struct PlacementFile: Sendable, Equatable {
  package var model: String
  package var placement: ModelPlacement
  /// Layers that have experts, ascending.
  package var layers: [Int]
  package var loads: ExpertLoads?

  private static let schema = "martinet-placement"
  private static let version = 1
  private static let layerLimit = 1 << 14
  private static let rankLimit = 1 << 16
  /// Numbers of all layers together: more is no model's.
  private static let sizeLimit = 1 << 24
  /// No published model has more prediction modules: DeepSeek-V4's draft by three layers.
  private static let mostModules = 3

  package init(model: String, placement: ModelPlacement, layers: [Int], loads: ExpertLoads? = nil) {
    (self.model, self.placement, self.layers) = (model, placement, layers)
    self.loads = loads?.layers == layers ? loads : nil
  }

  package var json: JSONValue {
    var object = JSONObject([
      ("schema", .string(Self.schema)), ("version", .int(Self.version)), ("model", .string(model)),
      ("experts", .int(placement.expertCount)), ("ranks", .int(placement.rankCount)),
    ])
    if let steps = loads?.steps { object["steps"] = .double(steps) }
    object["layers"] = .array(layers.indices.map(layer))
    return .object(object)
  }

  private func layer(_ index: Int) -> JSONValue {
    let one = placement[layers[index]]
    var object = JSONObject([
      ("layer", .int(layers[index])), ("owners", .array(one.owners.map { .int($0.index) })),
      (
        "replicas",
        .array(
          one.replicas.enumerated().flatMap { expert, ranks in
            ranks.map { .array([.int(expert), .int($0.index)]) }
          })
      ),
    ])
    if let loads { object["visits"] = .array(loads.visits[index].map { .double($0) }) }
    return .object(object)
  }

  /// Checks every number; a run's report is read for the placement in it. `path` names the file in errors.
  package init(json: JSONValue, path: String) throws(PlacementError) {
    do throws(MalformedPlacement) { try self.init(checking: Self.part(of: json)) } catch {
      throw .malformed(path: path, reason: error.reason)
    }
  }

  private static func part(of json: JSONValue) throws(MalformedPlacement) -> JSONValue {
    guard json["schema"]?.string == "martinet-report" else { return json }
    guard let part = json["placement"] else {
      throw MalformedPlacement(
        reason: "it is a report of a model without experts, or of before reports told placements")
    }
    return part
  }

  private init(checking json: JSONValue) throws(MalformedPlacement) {
    typealias Reader = JSONReader<MalformedPlacement>
    let fields = try Reader(json, path: "", name: "the file")
    guard try fields.string(needed: "schema") == Self.schema else {
      throw MalformedPlacement(reason: "its \"schema\" is not \"\(Self.schema)\"")
    }
    guard try fields.integer(needed: "version") == Self.version else {
      throw MalformedPlacement(reason: "its version is not \(Self.version)")
    }
    let model = try fields.string("model") ?? ""
    let expertCount = try fields.integer(needed: "experts", in: 1...(VisitWord.expertLimit))
    let rankCount = try fields.integer(needed: "ranks", in: 1...Self.rankLimit)
    let steps = try fields.number("steps", in: 0...1e15)
    let entries = try Reader.array(fields.required("layers"), path: "layers")
    guard entries.count <= Self.sizeLimit / max(expertCount, rankCount) else {
      throw MalformedPlacement(
        reason: "it has \(entries.count) layers of \(expertCount) experts on \(rankCount) ranks: no model is as large")
    }
    var layers: [Int: ExpertPlacement] = [:]
    var visits: [Int: [Double]] = [:]
    for (index, entry) in entries.enumerated() {
      let one = try Reader(entry, path: "layers[\(index)]")
      let layer = try one.integer(needed: "layer", in: 0...(Self.layerLimit - 1))
      guard layers[layer] == nil else { throw MalformedPlacement(reason: "layer \(layer) is there twice") }
      layers[layer] = try Self.placement(one, expertCount: expertCount, rankCount: rankCount)
      guard one["visits"] != nil else { continue }
      let counts = try one.array(needed: "visits") { value, path throws(MalformedPlacement) in
        try Reader.number(value, path: path, in: 0...1e15)
      }
      guard counts.count == expertCount else {
        throw MalformedPlacement(reason: "\(one.path).visits are of \(counts.count) experts, not \(expertCount)")
      }
      visits[layer] = counts
    }
    let numbers = layers.keys.sorted()
    let loads =
      visits.count == numbers.count && !numbers.isEmpty
      ? ExpertLoads(layers: numbers, visits: numbers.compactMap { visits[$0] }, steps: steps) : nil
    self.init(
      model: model,
      placement: ModelPlacement(ExpertPlacement(expertCount: expertCount, rankCount: rankCount), layers: layers),
      layers: numbers, loads: loads)
  }

  private static func placement(
    _ fields: JSONReader<MalformedPlacement>, expertCount: Int, rankCount: Int
  ) throws(MalformedPlacement) -> ExpertPlacement {
    typealias Reader = JSONReader<MalformedPlacement>
    let owners = try fields.array(needed: "owners") { value, path throws(MalformedPlacement) in
      Rank(try Reader.integer(value, path: path, in: 0...(rankCount - 1)))
    }
    guard owners.count == expertCount else {
      throw MalformedPlacement(reason: "\(fields.path).owners are of \(owners.count) experts, not \(expertCount)")
    }
    var replicas = Array(repeating: Set<Rank>(), count: expertCount)
    for (index, value) in (try fields.array("replicas") ?? []).enumerated() {
      let path = "\(fields.path).replicas[\(index)]"
      let pair = try Reader.array(value, path: path)
      guard pair.count == 2 else { throw MalformedPlacement(reason: "\(path) is not [expert, rank]") }
      let expert = try Reader.integer(pair[0], path: "\(path)[0]", in: 0...(expertCount - 1))
      let rank = Rank(try Reader.integer(pair[1], path: "\(path)[1]", in: 0...(rankCount - 1)))
      guard owners[expert] != rank, replicas[expert].insert(rank).inserted else {
        throw MalformedPlacement(reason: "\(path): \(rank) has expert \(expert) twice")
      }
    }
    return ExpertPlacement(owners: owners, replicas: replicas.map { $0.sorted() }, rankCount: rankCount)
  }

  /// Throws unless it is of a model with `expertCount` experts in each of these layers, for `rankCount` ranks. `path`
  /// names the file. `modules` are the numbers of the layers that prediction modules have, or would have: runs with and
  /// without drafts can take each other's placement, so that the file may tell of these or not.
  package func check(
    expertCount: Int, layers expected: [Int], modules: Range<Int> = 0..<0, rankCount: Int, path: String
  ) throws(PlacementError) {
    func mismatched(_ reason: String) -> PlacementError { .mismatched(path: path, ranks: rankCount, reason: reason) }
    guard expertCount > 0 else { throw mismatched("the model is dense and has no experts to place") }
    guard placement.expertCount == expertCount else {
      throw mismatched("it is of \(placement.expertCount) experts a layer, the model has \(expertCount)")
    }
    guard placement.rankCount == rankCount else {
      throw mismatched("it is for \(placement.rankCount) ranks, this run has \(rankCount)")
    }
    if let missing = expected.first(where: { !modules.contains($0) && !layers.contains($0) }) {
      throw mismatched("it says nothing of layer \(missing), which has experts")
    }
    if let other = layers.first(where: { !modules.contains($0) && !expected.contains($0) }) {
      throw mismatched("it tells of layer \(other), which has no experts in this model")
    }
  }

  /// The layers that modules of a model would have of which only the layers with experts are known.
  package static func modules(after layers: [Int]) -> Range<Int> {
    let first = layers.last.map { $0 + 1 } ?? 0
    return first..<(first + mostModules)
  }

  /// What it says of these layers; of those that it does not tell of its placement of any other layer.
  package func placement(of layers: [Int]) -> ModelPlacement {
    let known = layers.filter { self.layers.contains($0) }
    return ModelPlacement(placement.base, layers: Dictionary(uniqueKeysWithValues: known.map { ($0, placement[$0]) }))
  }
}

/// Why a placement cannot be used.
package enum PlacementError: Error, Equatable, CustomStringConvertible {
  case malformed(path: String, reason: String)
  case mismatched(path: String, ranks: Int, reason: String)
  case tooLarge(path: String, rank: Int, experts: Int, capacity: Int, percent: Int)

  package var description: String {
    switch self {
    case .malformed(let path, let reason):
      "\(path) is no placement: \(reason); write it anew with `martinet placement`, or with --record-placement of a run"
    case .mismatched(let path, let ranks, let reason):
      "\(path) does not fit: \(reason); plan one with `martinet placement --ranks \(ranks)` from a report of this model"
    case .tooLarge(let path, let rank, let experts, let capacity, let percent):
      """
      \(path) gives rank \(rank) \(experts) experts over all layers, and there is memory for \(capacity): allow \
      for them with --replica-memory \(percent), or plan with less
      """
    }
  }
}

/// What is wrong inside of a placement.
package struct MalformedPlacement: Error, JSONReadingError {
  package let reason: String

  init(reason: String) { self.reason = reason }

  package static var takesNullForAbsent: Bool { true }
  package init(missing path: String) { reason = "\(path) is missing" }
  package init(wrongKind path: String, expected: String, found: JSONValue) {
    reason = "\(path) is \(found.kind), not \(expected)"
  }
  package init(outOfRange path: String, expected: String, found: String) {
    reason = "\(path) is \(found), not \(expected)"
  }
}

extension PlacementFile {
  /// Throws where a rank would hold more experts than `capacity`, over all of a run's layers. `path` names the file.
  package func check(capacity: Int, layers: [Int], path: String) throws(PlacementError) {
    for rank in 0..<placement.rankCount {
      let held = placement.expertCount(of: Rank(rank), layers: layers)
      guard held > capacity else { continue }
      let even = Double(layers.count * placement.expertCount) / Double(placement.rankCount)
      throw .tooLarge(
        path: path, rank: rank, experts: held, capacity: capacity,
        percent: Int(((Double(held) / even - 1) * 100).rounded(.up)))
    }
  }
}

/// What messages between ranks have room for.
package enum PlacementLimits {
  package static let experts = VisitWord.expertLimit
  package static let ranksOnHost = VisitWord.placeLimit
}
