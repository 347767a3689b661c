import Checkpoints
import JSON
import MoEModel
import Tensors
import TestSupport
import Testing

@testable import Benchmarking

/// The numbers of checkpoints of random weights. `CommandTests` makes such folders, and runs them.
struct RandomWeightsTests {
  private func shape(_ weights: CheckpointWeights) throws -> CheckpointShape {
    try CheckpointShape(FamilyFixtures.folder("mixtral") + "/config.json", weights: weights)
  }

  private func bytes(_ random: RandomWeights, _ tensor: CheckpointPlan.Tensor, number: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try random.fill(tensor, number: number) { bytes += Array($0) }
    return bytes
  }

  @Test func aTensorsNumbersFollowFromSeedAndPlace() throws {
    let shape = try shape(.bf16)
    let plan = try CheckpointPlan(shape.description, type: .bfloat16)
    let (one, other) = (RandomWeights(seed: 1, shape.description), RandomWeights(seed: 2, shape.description))
    for (number, tensor) in plan.tensors.enumerated() {
      let found = try bytes(one, tensor, number: number)
      #expect(found.count == tensor.entry.byteCount, "\(tensor.entry.name)")
      #expect(try bytes(one, tensor, number: number) == found, "\(tensor.entry.name)")
      // Norms are ones whatever the seed.
      #expect(try (bytes(other, tensor, number: number) != found) == tensor.parameter.isMatrix, "\(tensor.entry.name)")
      #expect(
        try (bytes(one, tensor, number: number + 1) != found) == tensor.parameter.isMatrix, "\(tensor.entry.name)")
    }
  }

  /// But for embeddings, whose variance is 1; norms multiply by 1.
  @Test func matricesHaveAVarianceOfOneOverTheirFanIn() throws {
    let shape = try shape(.f32)
    let random = RandomWeights(seed: 0, shape.description)
    for (number, tensor) in try CheckpointPlan(shape.description, type: .float32).tensors.enumerated() {
      let values = try bytes(random, tensor, number: number).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      guard tensor.parameter.isMatrix else {
        #expect(values.allSatisfy { $0 == 1 }, "\(tensor.entry.name)")
        continue
      }
      let count = Float(values.count)
      let mean = values.reduce(0, +) / count
      let variance = values.reduce(0) { $0 + $1 * $1 } / count
      let expected = tensor.parameter.role == .embedding ? 1 : 1 / Float(tensor.entry.shape[1])
      // Five standard errors of a mean and of a variance.
      #expect(abs(mean) < 5 * (expected / count).squareRoot(), "\(tensor.entry.name): \(mean)")
      #expect(abs(variance / expected - 1) < 5 * (2 / count).squareRoot(), "\(tensor.entry.name): \(variance)")
    }
  }

  /// To nearest, of equal ones to the even.
  @Test func halfAsManyBitsAreTheSameNumbersRounded() throws {
    let (wide, narrow) = (try shape(.f32), try shape(.bf16))
    let tensors = zip(
      try CheckpointPlan(wide.description, type: .float32).tensors,
      try CheckpointPlan(narrow.description, type: .bfloat16).tensors)
    for (number, (whole, half)) in tensors.enumerated() where half.entry.type == .bfloat16 {
      let exact = try bytes(RandomWeights(seed: 3, wide.description), whole, number: number)
      let rounded = try bytes(RandomWeights(seed: 3, narrow.description), half, number: number)
      #expect(exact.count == 2 * rounded.count && whole.entry.name == half.entry.name)
      let wrong = (0..<rounded.count / 2).first { i in
        let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(exact[4 * i + $1]) << (8 * UInt32($1)) }
        let found = Float(bitPattern: UInt32(rounded[2 * i]) << 16 | UInt32(rounded[2 * i + 1]) << 24)
        let error = abs(found - Float(bitPattern: bits))
        let step = found.magnitude.binade * 0x1p-7
        return error > step / 2 || error == step / 2 && rounded[2 * i] & 1 == 1
      }
      #expect(wrong == nil, "\(whole.entry.name)")
    }
  }

  /// "small" is what fits beside other programs on a common machine.
  @Test(arguments: CheckpointShape.names) func knownShapesHaveFourBillionParameters(name: String) throws {
    let shape = try CheckpointShape(name, weights: .bf16)
    let count = try CheckpointPlan(shape.description, type: .bfloat16).parameterCount
    #expect((3_900_000_000...4_400_000_000).contains(count), "\(count)")
    #expect(shape.config["torch_dtype"]?.string == "bfloat16")
  }

  @Test func aShapeThatNobodyKnowsIsNamedBesideThoseThereAre() {
    let error = #expect(throws: MakeCheckpointError.self) { try CheckpointShape("mixtral-tiny", weights: .bf16) }
    #expect("\(error!)".contains("mixtral-tiny") && "\(error!)".contains("mixtral-small"))
  }

  @Test func theFirstWorkersFailureIsTold() {
    let failures = Failures(count: 3)
    #expect(!failures.any && failures.first == nil)
    failures.set(MakeCheckpointError.outputExists("two"), worker: 2)
    failures.set(MakeCheckpointError.outputExists("one"), worker: 1)
    #expect(failures.any && "\(failures.first!)".contains("one"))
  }
}
