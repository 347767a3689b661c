import Gradients
import Kernels
import DistributedTraining
import TestSupport
import Testing

@testable import Distillation

struct DistillationTests {
  /// The student's forward pass and the teacher's are one engine: equal weights have equal bits.
  @Test(arguments: ["deepseek_v3_bf16", "qwen3_moe_bf16", "qwen2"] + FamilyFixtures.deltas, [0.0, 1])
  func aModelHasNothingToLearnFromItself(name: String, beta: Double) throws {
    for ranks in [1, 2] {
      let found = try TinyDistillation(
        student: name, teacher: name, divergence: Divergence(beta: beta), steps: 2
      ).run(ranks: ranks)
      #expect(found.results.allSatisfy { $0.loss == 0 && $0.gradientNorm == 0 }, "\(ranks) ranks")
      // Of five sequences of twenty tokens, two are learnt to their half.
      #expect(found.results[0].predicted == 80 && found.reports[0].entropy > 0)
    }
  }

  /// A mixture of experts teaches a dense model, and the other way round.
  @Test(arguments: [
    ("qwen2", "deepseek_v3_bf16"), ("deepseek_v3_bf16", "qwen2"), ("gpt_oss", "qwen3_moe_bf16"),
    ("qwen3_5", "qwen3_next"),
  ])
  func aStudentComesNearerToItsTeacher(student: String, teacher: String) throws {
    for divergence in [Divergence.forward, .reverse, Divergence(beta: 0.5), Divergence(beta: 1, temperature: 2)] {
      let found = try TinyDistillation(
        student: student, teacher: teacher, divergence: divergence, steps: 20, rate: 1e-2
      ).run(ranks: 1)
      let losses = found.results.map(\.loss)
      #expect(losses.allSatisfy { $0 > 0 && $0.isFinite } && losses[19] < 0.9 * losses[0], "\(divergence): \(losses)")
    }
  }

  @Test(arguments: [
    ("qwen2", "deepseek_v3_bf16"), ("deepseek_v3_bf16", "qwen3_moe_bf16"), ("qwen3_next", "qwen3_5"),
    ("deepseek_v4_saved", "deepseek_v4"),
  ])
  func nothingDependsOnRanksOrThreads(student: String, teacher: String) throws {
    var tiny = TinyDistillation(student: student, teacher: teacher, divergence: Divergence(beta: 0.5))
    let alone = try tiny.run(ranks: 1)
    for (ranks, threads) in [(1, 2), (2, 1), (3, 1)] {
      tiny.threads = threads
      let found = try tiny.run(ranks: ranks)
      #expect(found.results == alone.results && found.reports == alone.reports, "\(ranks) ranks, \(threads) threads")
      let other = alone.numbers.keys.filter {
        found.numbers[$0]?.map(\.bitPattern) != alone.numbers[$0]?.map(\.bitPattern)
      }
      #expect(other.isEmpty, "\(ranks) ranks, \(threads) threads: \(other.sorted().prefix(5))")
    }
  }

  @Test func instructionSetsAgree() throws {
    var tiny = TinyDistillation(steps: 1)
    tiny.isa = .reference
    let expected = try tiny.run(ranks: 1)
    for isa in InstructionSet.supported where isa != .reference {
      tiny.isa = isa
      #expect(try tiny.run(ranks: 1) == expected, "\(isa)")
    }
  }

  /// Rows beyond the vocabulary that both have get no gradient: those of the head stay as they are.
  @Test func rowsThatFillUpAreNotLearnt() throws {
    var tiny = TinyDistillation(steps: 1, rate: 0)
    tiny.vocabulary = 400
    let before = try tiny.run(ranks: 1)
    tiny.rate = 1e-2
    let after = try tiny.run(ranks: 1)
    let heads = try [before, after].map { try #require($0.numbers["lm_head.weight"]) }
    let columns = heads[0].count / 512
    #expect(heads[0][(400 * columns)...] == heads[1][(400 * columns)...])
    #expect(heads[0][..<(400 * columns)] != heads[1][..<(400 * columns)])
  }

  @Test(arguments: [0, 0.25, 0.3, 0.5, 0.7, 1])
  func ownSamplesAreTheirShare(share: Double) {
    var samples = DistillationSettings.Samples()
    (samples.promptsPerStep, samples.ownShare) = (7, share)
    let counts = (1...100).map { samples.ownCount(ofStep: $0) }
    #expect(abs(Double(counts.reduce(0, +)) - 700 * share) < 1e-6)
    #expect(counts.allSatisfy { abs(Double($0) - 7 * share) < 1 && $0 <= samples.mostOwn })
    #expect(counts.allSatisfy { 7 - $0 <= samples.mostOfTeacher })
  }

  @Test func numbersThatCannotBeAreRefused() {
    func isRefused(_ change: (inout DistillationSettings) -> Void) -> Bool {
      var settings = DistillationSettings(.text, beta: 0.5)
      change(&settings)
      do throws(DistillationError) { try settings.check() } catch { return true }
      return false
    }
    func samples(_ change: (inout DistillationSettings.Samples) -> Void) -> DistillationSettings.Material {
      var samples = DistillationSettings.Samples()
      change(&samples)
      return .samples(samples)
    }
    #expect(!isRefused { $0.material = samples { _ in } })
    for bad in [-0.1, 1.1, .nan, .infinity] {
      #expect(isRefused { $0.beta = bad } && isRefused { $0.material = samples { $0.ownShare = bad } })
    }
    for bad in [0, -1, .nan, .infinity] {
      #expect(isRefused { $0.lossTemperature = bad } && isRefused { $0.material = samples { $0.temperature = bad } })
    }
    for bad in [0, -3, 1 << 40] {
      #expect(isRefused { $0.material = samples { $0.promptsPerStep = bad } })
      #expect(isRefused { $0.material = samples { $0.maxNewTokens = bad } })
    }
  }
}
