import Checkpoints
import Foundation
import MoEModel
import TestSupport
import Testing
import Training

/// What a new model begins with.
@Suite struct InitializationTests {
  @Test(arguments: TrainingFixtures.goldens) func everyFamilyHasANameForEachParameter(name: String) throws {
    let description = try TrainingFixtures.model(name).description
    let names = ParameterNames(description)
    var seen: Set<String> = []
    for spec in ParameterTable(description, predicts: true) {
      let name = names.name(of: spec.id)
      #expect(seen.insert(name).inserted && name.contains("."), "\(name)")
    }
  }

  @Test func rolesBeginAsTheyShould() throws {
    let description = try TrainingFixtures.shape()
    let initial = try Initialization(description, seed: 5, spread: .constant(0.02))
    for spec in ParameterTable(description) where spec.expert ?? 0 < 1 {
      let values = initial.values(of: spec)
      #expect(values.count == spec.elementCount)
      guard spec.isMatrix else {
        #expect(values.allSatisfy { $0 == (spec.role.isNorm ? 1 : 0) }, "\(spec.id)")
        continue
      }
      let n = Double(values.count)
      let mean = values.reduce(0) { $0 + Double($1) } / n
      let deviation = (values.reduce(0) { $0 + Double($1) * Double($1) } / n).squareRoot()
      let isOutput: Bool =
        switch spec.role {
        case .attentionOutput, .feedForward(_, .down): true
        default: false
        }
      let expected = isOutput ? 0.02 / 12.0.squareRoot() : 0.02
      #expect(abs(mean) < 5 * expected / n.squareRoot(), "\(spec.id)")
      #expect(abs(deviation / expected - 1) < 5 / (2 * n).squareRoot(), "\(spec.id)")
    }
  }

  /// As transformers' `DeepseekV4PreTrainedModel._init_weights`: of streams' weights scales begin at 1 and bases at 0,
  /// of entries what gates have added at 0, sinks at 0.
  @Test(arguments: FamilyFixtures.compressed) func compressedAttentionBeginsAsTheReference(name: String) throws {
    let description = try ModelConfiguration.read(try CheckpointFormat.open(FamilyFixtures.folder(name)))
    let initial = try Initialization(description, seed: 5, spread: .constant(0.02))
    for spec in ParameterTable(description) where !spec.isMatrix && spec.role != .tokenExperts {
      let expected: Float =
        switch spec.role {
        case .hyper(.scale, _): 1
        default: spec.role.isNorm ? 1 : 0
        }
      #expect(initial.values(of: spec).allSatisfy { $0 == expected }, "\(spec.id)")
    }
  }

  /// As transformers' `Qwen3NextPreTrainedModel._init_weights`: norms that add one begin at 0, decays at 1 and at the
  /// logarithm of a number between 0.01 and 16, convolutions like matrices.
  @Test(arguments: ["qwen3_next", "qwen3_5"]) func gatedDeltaNetBeginsAsTheReference(name: String) throws {
    let folder = Page.root.appending(path: "Tests/Fixtures/delta/\(name)").path
    let description = try ModelConfiguration.read(try CheckpointFormat.open(folder))
    let initial = try Initialization(description, seed: 5, spread: .constant(0.02))
    var rates: [Float] = []
    for spec in ParameterTable(description) where !spec.isMatrix {
      let values = initial.values(of: spec)
      switch spec.role {
      case .delta(.norm), .delta(.decayBias): #expect(values.allSatisfy { $0 == 1 }, "\(spec.id)")
      case .delta(.decayRate):
        rates += values
        #expect(values.allSatisfy { $0 > -4.606 && $0 < 2.773 })
        var piece = [Float](repeating: .nan, count: 2)
        piece.withUnsafeMutableBufferPointer { initial.fill($0, with: spec, from: 1) }
        #expect(piece == Array(values[1...2]))
      case .delta(.convolution):
        let square = values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count)
        #expect(abs(square.squareRoot() / 0.02 - 1) < 0.3, "\(square.squareRoot())")
      default: #expect(spec.role.isNorm && values.allSatisfy { $0 == 0 }, "\(spec.id)")
      }
    }
    #expect(Set(rates).count == rates.count && rates.count >= 8)
  }

  @Test func anyPieceHasTheElementsOfTheWhole() throws {
    let description = try TrainingFixtures.model("deepseek_v3").description
    let initial = try Initialization(description, seed: 1, spread: .standard)
    let spec = try #require(ParameterTable(description).first { $0.role == .router })
    let whole = initial.values(of: spec)
    for first in 0..<9 {
      for count in [0, 1, 2, 3, 4, 5, 17] {
        var piece = [Float](repeating: .nan, count: count)
        piece.withUnsafeMutableBufferPointer { initial.fill($0, with: spec, from: first) }
        #expect(piece == Array(whole[first..<(first + count)]))
      }
    }
    #expect(initial.values(of: spec) != (try Initialization(description, seed: 2, spread: .standard)).values(of: spec))
  }

  @Test func parametersShareNoNumbersUnlessTheyShareMemory() throws {
    let description = try TrainingFixtures.model("glm4_moe_lite").description
    let initial = try Initialization(description, seed: 1, spread: .standard)
    var byStart: [UInt32: [ParameterID]] = [:]
    for spec in ParameterTable(description, predicts: true) where spec.isMatrix {
      var first: [Float] = [0]
      first.withUnsafeMutableBufferPointer { initial.fill($0, with: spec, from: 0) }
      byStart[first[0].bitPattern, default: []].append(spec.id)
    }
    let shared = byStart.values.filter { $0.count > 1 }.map { Set($0.map(\.role)) }
    #expect(
      Set(shared) == [[.embedding, .prediction(.embedding)], [.head, .prediction(.head)]])
  }

  @Test func widthsDecideTheSpreadWhereAsked() throws {
    let description = try TrainingFixtures.shape()
    let initial = try Initialization(description, seed: 5, spread: .byWidth(0.6))
    func deviation(_ id: ParameterID) -> Double? {
      ParameterTable(description).first { $0.id == id }.flatMap { initial.deviation(of: $0) }
    }
    #expect(deviation(ParameterID(.embedding)) == 0.6)
    #expect(deviation(ParameterID(.query, layer: 0)) == 0.6 / 192.0.squareRoot())
    #expect(
      abs(deviation(ParameterID(.feedForward(.expert, .down), layer: 1, expert: 3))! - 0.6 / (96.0 * 12).squareRoot())
        < 1e-15)
    #expect(deviation(ParameterID(.finalNorm)) == nil)
    // What makes logits is a product, whatever else it is.
    var tied = description
    tied.tiedEmbeddings = true
    let other = try Initialization(tied, seed: 5, spread: .byWidth(0.6))
    let embedding = try #require(ParameterTable(tied).first { $0.role == .embedding })
    #expect(other.deviation(of: embedding) == 0.6 / 192.0.squareRoot())
  }

  @Test(arguments: [0, -1, .infinity, .nan] as [Double]) func spreadsThatAreNoneAreRefused(value: Double) throws {
    let description = try TrainingFixtures.model("llama").description
    for spread in [InitialSpread.constant(value), .byWidth(value)] {
      #expect(throws: TrainingError.self) { try Initialization(description, seed: 1, spread: spread) }
    }
  }

  @Test func bf16RoundsToTheNearestAndTiesToEven() {
    #expect(BFloat16.bits(1) == 0x3F80 && BFloat16.bits(-0.0) == 0x8000)
    #expect(BFloat16.bits(Float(bitPattern: 0x3F80_8000)) == 0x3F80)
    #expect(BFloat16.bits(Float(bitPattern: 0x3F81_8000)) == 0x3F82)
    #expect(BFloat16.bits(Float(bitPattern: 0x3F80_8001)) == 0x3F81)
    #expect(BFloat16.value(BFloat16.bits(.greatestFiniteMagnitude)) == .infinity)
    let numbers = (0..<37).map { Float($0) * 1.37 - 20 }
    var rounded = [Float](repeating: 0, count: 37)
    BFloat16.round(numbers, to: &rounded, count: 37)
    #expect(rounded == numbers.map { BFloat16.value(BFloat16.bits($0)) })
    #expect(BFloat16.value(BFloat16.bits(.nan)).isNaN && BFloat16.value(BFloat16.bits(-.infinity)) == -.infinity)
    #expect(BFloat16.value(BFloat16.bits(Float(bitPattern: 0x7F80_0001))).isNaN)
  }
}
