import Foundation
import JSON
import MoEModel
import Testing

/// What the reference implementation makes of configurations with keys left out, null or spelt otherwise
/// (`Tests/Reference/make_configuration_cases.py`), held against what we make of them.
struct ReferenceConfigurationTests {
  static let families = ModelConfiguration.textFamilies

  @Test(arguments: families)
  func everyKeyMeansWhatItMeansToTheReferenceClass(family: String) throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Fixtures/configurations/\(family).json")
    let document = try JSONValue(parsing: try Data(contentsOf: path))
    let base = try #require(document["base"]?.object)
    let plain = try #require(document["facts"]?.object)
    try compare(base, plain, "\(family), nothing changed")
    let cases = try #require(document["cases"]?.array)
    #expect(cases.count > 80)
    for item in cases {
      let name = "\(family), \(item["name"]?.string ?? "")"
      var config = base
      for (key, value) in try #require(item["set"]?.object).members { config[key] = value }
      for key in try #require(item["drop"]?.array) { config[try #require(key.string)] = nil }
      if item["refuse"]?.bool == true {
        let message = try #require(Configuration(json: config).failure(), "\(name)")
        #expect(message.contains("rope_parameters."), "\(name): \(message)")
      } else if let differs = item["differs"]?.object {
        var facts = plain
        for (key, value) in differs.members { facts[key] = value }
        try compare(config, facts, name)
      } else {
        // The reference refuses, or needs what nobody gave: whatever happens here, it is no trap.
        _ = Configuration(json: config).failure()
      }
    }
  }

  private func compare(_ config: JSONObject, _ expected: JSONObject, _ name: String) throws {
    let configuration = Configuration(json: config)
    if let failure = configuration.failure() {
      Issue.record("\(name): \(failure)")
      return
    }
    let found = Self.facts(try configuration.read())
    for (key, value) in expected.members where !value.isNull {
      // Routers that keep all groups are described as without groups.
      if key == "groups", let pair = value.array, pair[0] == pair[1], found[key] == nil { continue }
      // Scaling extends the context beyond what the key says; ContextTests have that.
      if key == "positions", (found[key]?.exactInt ?? 0) > (value.exactInt ?? 0) { continue }
      #expect(
        Self.agree(found[key] ?? .null, value),
        "\(name): \(key) is \(found[key]?.text() ?? "none"), not \(value.text())")
    }
    for (key, value) in expected.members where value.isNull {
      #expect(found[key] == nil, "\(name): \(key) is \(found[key]?.text() ?? "none"), not null")
    }
  }

  /// Numbers to fp32's precision, everything else exactly.
  private static func agree(_ a: JSONValue, _ b: JSONValue) -> Bool {
    if let x = a.double, let y = b.double { return abs(x - y) <= 2e-6 * max(abs(x), abs(y)) }
    if let x = a.array, let y = b.array { return x.count == y.count && zip(x, y).allSatisfy(agree) }
    return a == b
  }

  private static func delta(_ layer: LayerDescription) -> GatedDelta? {
    if case .delta(let delta) = layer.attention { delta } else { nil }
  }

  private static func add(_ attention: CompressedAttention, of model: DecoderDescription, to facts: inout JSONObject) {
    let all = model.layers.compactMap { layer -> CompressedAttention? in
      if case .compressed(let compressed) = layer.attention { compressed } else { nil }
    }
    facts["head"] = .int(attention.headDims)
    facts["query_rank"] = .int(attention.queryRank)
    facts["window"] = .int(attention.window)
    facts["output"] = .array([.int(attention.groupCount), .int(attention.groupRank)])
    facts["ratios"] = .array(all.map { .int($0.ratio ?? 0) })
    facts["by_token"] = .array(model.layers.map { .bool($0.routesByToken) })
    if let indexer = all.lazy.compactMap(\.indexer).first {
      facts["indexer"] = .array([indexer.headCount, indexer.headDims, indexer.topK].map { .int($0) })
    }
    if let rotary = model.entryRotary {
      facts["entry_frequencies"] = .array(rotary.inverseFrequencies.map { .double(Double($0)) })
      facts["entry_scale"] = .double(rotary.attentionFactor)
    }
    if case .hyper(let hyper) = model.residual {
      facts["streams"] = .array([.int(hyper.streams), .int(hyper.iterations)])
      facts["streams_epsilon"] = .double(Double(hyper.epsilon))
    }
  }

  private static func facts(_ model: DecoderDescription) -> JSONObject {
    // Layers without attention have no such facts.
    let attention = (model.layers.first { $0.attention.stateCount == 0 } ?? model.layers[0]).attention
    var facts = JSONObject([
      ("vocabulary", .int(model.vocabularySize)), ("hidden", .int(model.hiddenSize)),
      ("positions", .int(model.maximumPositions)), ("epsilon", .double(Double(model.normEpsilon))),
      ("tied", .bool(model.tiedEmbeddings)),
      (
        "layers",
        .array(
          model.layers.map {
            if case .dense(let size) = $0.feedForward { .int(size) } else { .string("experts") }
          })
      ),
      ("inverse_frequencies", .array(model.rotary.inverseFrequencies.map { .double(Double($0)) })),
      ("rotary_scale", .double(model.rotary.attentionFactor)),
      ("softmax_scale", .double(Double(attention.softmaxScale))), ("heads", .int(attention.headCount)),
    ])
    switch attention {
    case .latent(let latent):
      if let rank = latent.queryRank { facts["query_rank"] = .int(rank) }
      facts["latent_rank"] = .int(latent.latentRank)
      facts["nope"] = .int(latent.nopeDims)
      facts["rotary"] = .int(latent.rotaryDims)
      facts["value"] = .int(latent.valueDims)
      facts["interleaved"] = .bool(model.rotary.interleaved)
      facts["output_bias"] = .bool(latent.hasBias)
      guard let indexer = latent.indexer else { break }
      facts["indexer"] = .array([indexer.headCount, indexer.headDims, indexer.topK].map { .int($0) })
      facts["shared_indexers"] = .array(
        model.layers.map {
          guard case .latent(let latent) = $0.attention else { return .null }
          return .bool(latent.indexer?.isShared == true)
        })
    case .grouped(let grouped):
      facts["key_heads"] = .int(grouped.keyValueHeadCount)
      facts["head"] = .int(grouped.headDims)
      facts["query_bias"] = .bool(grouped.projectionBias)
      facts["output_bias"] = .bool(grouped.outputBias)
      let widths: [GroupedAttention.QueryKeyNorm: Int] = [
        .none: 0, .perHead: grouped.headDims, .fullWidth: grouped.headCount * grouped.headDims,
      ]
      facts["query_norm"] = .int(widths[grouped.queryKeyNorm]!)
      if let clip = grouped.clip { facts["clip"] = .double(Double(clip)) }
      facts["windows"] = .array(model.layers.map { .int($0.slidingWindow ?? 0) })
      facts["rotates"] = .array(model.layers.map { .bool($0.rotates) })
      facts["interleaved"] = .bool(model.rotary.interleaved)
    case .delta: return facts
    case .compressed(let compressed): add(compressed, of: model, to: &facts)
    }
    if let delta = model.layers.lazy.compactMap(Self.delta).first {
      facts["recurrent"] = .array(model.layers.map { .bool($0.attention.stateCount > 0) })
      facts["delta"] = .array(
        [delta.keyHeadCount, delta.valueHeadCount, delta.keyDims, delta.valueDims, delta.taps].map { .int($0) })
    }
    if let scaling = model.rotary.queryScaling {
      facts["query_scaling"] = .array([.double(scaling.beta), .int(scaling.positions)])
    }
    guard let moe = model.moe else { return facts }
    facts["experts"] = .int(moe.expertCount)
    facts["chosen"] = .int(moe.topK)
    facts["intermediate"] = .int(moe.expertIntermediateSize)
    facts["shared"] = .int(moe.sharedIntermediateSize ?? 0)
    if moe.sharedIntermediateSize != nil { facts["shared_bias"] = .bool(moe.sharedHasBias) }
    if moe.router.normFloor > 0 { facts["norm_floor"] = .double(Double(moe.router.normFloor)) }
    facts["normalizes"] = .bool(moe.router.normalizes)
    facts["scale"] = .double(Double(moe.router.scale))
    if let groups = moe.router.groups { facts["groups"] = .array([.int(groups.count), .int(groups.kept)]) }
    if case .clampedSwiGLU(let alpha, let limit) = moe.activation {
      facts["alpha"] = .double(Double(alpha))
      facts["limit"] = .double(Double(limit))
    }
    if case .limitedSwiGLU(let limit) = moe.activation { facts["limit"] = .double(Double(limit)) }
    return facts
  }
}
