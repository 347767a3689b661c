import CKernels
import Foundation
import Testing

/// The indexer's scores and its choice, against references and plain definitions.
struct IndexerTests {
  static let shapes: [(heads: Int, dims: Int)] = [
    (1, 1), (2, 16), (3, 24), (5, 7), (8, 128), (9, 40), (16, 64), (17, 33), (32, 128), (64, 128),
  ]

  @Test(arguments: shapes.indices, [CK_CACHE_F32, CK_CACHE_BF16])
  func everyInstructionSetGivesTheReferencesBits(shape: Int, type: ck_cache_type) throws {
    let (heads, dims) = Self.shapes[shape]
    try withGuardedArena { memory in
      for blockTokens in [32, 96] {
        let some = IndexCase(in: memory, type: type, heads: heads, dims: dims, blockTokens: blockTokens, positions: 130)
        for positions in [0..<1, 0..<31, 0..<32, 0..<130, 32..<33, 64..<130, 96..<128] {
          let reference = try #require(some.scores(CK_ISA_REFERENCE, positions))
          #expect(reference.allSatisfy { $0.isFinite }, "reads a position nobody asked for")
          for isa in ck_isa.vectors {
            let scores = try #require(some.scores(isa, positions))
            #expect(scores.hasSameBits(as: reference), "isa \(isa.rawValue), \(positions), blocks of \(blockTokens)")
          }
        }
      }
    }
  }

  /// A run's beginning must not matter: tasks of workers begin anywhere.
  @Test func runsOfPositionsGiveTheBitsOfAll() throws {
    try withGuardedArena { memory in
      let some = IndexCase(in: memory, type: CK_CACHE_F32, heads: 11, dims: 20, blockTokens: 32, positions: 200)
      for isa in ck_isa.supported {
        let all = try #require(some.scores(isa, 0..<200))
        for begin in Swift.stride(from: 0, to: 200, by: 32) {
          let run = try #require(some.scores(isa, begin..<200))
          #expect(run.hasSameBits(as: Array(all[begin...])), "from \(begin)")
        }
      }
    }
  }

  /// A dot has an error of at most dims eps Σ|q k|, which the ReLU lets through; the sum adds heads eps Σ|w| · dot.
  @Test(arguments: shapes.indices)
  func theReferenceIsWithinItsErrorBoundOfDoublePrecision(shape: Int) throws {
    let (heads, dims) = Self.shapes[shape]
    try withGuardedArena { memory in
      let some = IndexCase(in: memory, type: CK_CACHE_BF16, heads: heads, dims: dims, blockTokens: 32, positions: 70)
      let scores = try #require(some.scores(CK_ISA_REFERENCE, 0..<70))
      for position in 0..<70 {
        var (sum, tolerance) = (0.0, 1e-37)
        for head in 0..<heads {
          var (dot, magnitude) = (0.0, 0.0)
          for d in 0..<dims {
            let product = Double(some.queries[head * dims + d]) * Double(some.key(position)[d])
            dot += product
            magnitude += abs(product)
          }
          let weight = Double(some.weights[head])
          sum += weight * max(dot, 0)
          tolerance += Double(dims + heads + 2) * Double(Float.ulpOfOne) * abs(weight) * magnitude
        }
        #expect(abs(Double(scores[position]) - sum) <= tolerance, "position \(position)")
      }
    }
  }

  /// Sorted by score and then by place.
  private func plainChoice(_ scores: [Float], _ wanted: Int) -> [UInt32] {
    func comesBefore(_ a: Int, _ b: Int) -> Bool {
      let (x, y) = (scores[a], scores[b])
      if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? a < b : y.isNaN }
      return x == y ? a < b : x > y
    }
    return scores.indices.sorted(by: comesBefore).prefix(wanted).sorted().map { UInt32($0) }
  }

  private func choice(_ scores: [Float], _ wanted: Int) -> [UInt32] {
    let canary: UInt32 = 0xdead_beef
    var chosen = [UInt32](repeating: canary, count: wanted + 1)
    ck_index_choose(scores, scores.count, wanted, &chosen)
    #expect(chosen.last == canary)
    return chosen.dropLast()
  }

  @Test func theGreatestAreChosenAndOfEqualsTheLowerPlace() {
    for seed in 0..<60 {
      let count = 1 + seed * 7
      let plain = [Float].random(count, seed: UInt64(seed + 1))
      let few = plain.map { ($0 * 3).rounded() }
      let wide = plain.enumerated().map { $1 * Float(sign: .plus, exponent: $0 % 61 - 30, significand: 1) }
      var odd = few
      for i in odd.indices where i % 3 == 0 {
        odd[i] = [Float.nan, -0.0, 0, .infinity, -.infinity, 0x1p-149, -0x1p-149, -Float.nan][i / 3 % 8]
      }
      for scores in [plain, few, wide, odd, [Float](repeating: 0, count: count)] {
        for wanted in Set([0, 1, count / 3, count / 2, count - 1, count]) {
          #expect(choice(scores, wanted) == plainChoice(scores, wanted), "\(wanted) of \(scores)")
        }
      }
    }
  }

  @Test func zerosOfEitherSignAreEqual() {
    #expect(choice([-0.0, 0, -0.0, 0, -1], 2) == [0, 1])
    #expect(choice([-1, 0, -0.0, 2], 2) == [1, 3])
  }

  @Test func everyPositionIsChosenWhereAsManyAreWanted() {
    #expect(choice((0..<100).map { -Float($0) }, 100) == Array(0..<100))
  }

  @Test(arguments: ck_isa.vectors)
  func layerNormIsTheReference(isa: ck_isa) {
    withGuardedArena { memory in
      for n in [1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 128, 576] {
        let x = [Float].random(n).map { $0 * 5 + 3 }
        let (weight, bias) = (memory.floats(.random(n, seed: 2)), memory.floats(.random(n, seed: 3)))
        let input = memory.floats(x)
        let apart = KernelResults(isa, [Float](repeating: 5, count: n)) { isa, out in
          ck_layer_norm(isa, input.pointer, n, weight.pointer, bias.pointer, 1e-6, out)
        }
        let inPlace = KernelResults(isa, x) { isa, out in
          ck_layer_norm(isa, out, n, weight.pointer, bias.pointer, 1e-6, out)
        }
        #expect(apart.agree && inPlace.agree && apart.reference == inPlace.reference, "n \(n)")
      }
    }
  }

  @Test func layerNormIsThatOfDoublePrecision() {
    let n = 128
    let (x, weight, bias) = ([Float].random(n), [Float].random(n, seed: 2), [Float].random(n, seed: 3))
    var out = [Float](repeating: 0, count: n)
    ck_layer_norm(CK_ISA_REFERENCE, x, n, weight, bias, 1e-6, &out)
    let mean = x.reduce(0.0) { $0 + Double($1) } / Double(n)
    let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(n)
    for i in 0..<n {
      let expected = (Double(x[i]) - mean) / (variance + 1e-6).squareRoot() * Double(weight[i]) + Double(bias[i])
      #expect(abs(Double(out[i]) - expected) < 2e-6)
    }
  }
}

/// Random index keys in a paged cache, all else of which is NaN, and queries and weights of heads.
private struct IndexCase {
  let heads: Int, dims: Int, blockTokens: Int, type: ck_cache_type
  let queries: [Float]
  let weights: [Float]
  private let positions: Int
  private let keys: [[Float]]
  private let blocks: [UnsafeMutableRawPointer]
  private let memory: GuardedArena
  private static let offset = 3

  init(in memory: GuardedArena, type: ck_cache_type, heads: Int, dims: Int, blockTokens: Int, positions: Int) {
    (self.memory, self.type, self.heads, self.dims) = (memory, type, heads, dims)
    (self.blockTokens, self.positions) = (blockTokens, positions)
    queries = .random(heads * dims, seed: 5)
    weights = .random(heads, seed: 6)
    keys = (0..<positions).map { position in
      let key = [Float].random(dims, seed: UInt64(100 + position))
      return type == CK_CACHE_F32 ? key : key.map(\.roundedToBF16)
    }
    let elements = Self.offset + dims * blockTokens
    blocks = (0..<(positions + blockTokens - 1) / blockTokens).map { _ in
      if type == CK_CACHE_F32 {
        return UnsafeMutableRawPointer(memory.floats([Float](repeating: .nan, count: elements)).pointer)
      }
      let halves = memory.halves(elements)
      for i in 0..<elements { halves[i] = 0x7fc0 }
      return UnsafeMutableRawPointer(halves)
    }
    withCache { cache in
      for (position, key) in keys.enumerated() { ck_index_store(cache, key, position) }
    }
  }

  func key(_ position: Int) -> [Float] { keys[position] }

  /// Nil if a canary was overwritten.
  func scores(_ isa: ck_isa, _ range: Range<Int>) -> [Float]? {
    let out = memory.floats([Float](repeating: .nan, count: range.count))
    let (query, weight) = (memory.floats(queries), memory.floats(weights))
    withCache {
      ck_index_scores(
        isa, $0, query.pointer, weight.pointer, heads, range.lowerBound, range.upperBound, out.pointer)
    }
    return out.isIntact ? out.values : nil
  }

  private func withCache(_ body: (UnsafePointer<ck_index_cache>) -> Void) {
    let pointers = blocks.map { Optional(UnsafeRawPointer($0)) }
    pointers.withUnsafeBufferPointer { pointers in
      var cache = ck_index_cache(
        type: type, blocks: pointers.baseAddress, block_tokens: blockTokens, offset: Self.offset, dims: dims)
      body(&cache)
    }
  }
}
