import Checkpoints
import Foundation
import JSON
import MoEModel
import Tensors
import Testing

/// The table of parameters against published checkpoints: it lists what is there, and nothing else.
struct ParameterTableTests {
  private func folder(_ golden: String) throws -> HuggingFaceFolder {
    try HuggingFaceFolder(path: Configuration.folder(golden))
  }

  @Test(arguments: Configuration.all)
  func aCheckpointHoldsTheParametersOfTheTableAndNoOthers(golden: String) throws {
    let folder = try folder(golden)
    let description = try ModelConfiguration.read(folder)
    guard description.quantization == .none else { return }
    var expected: [String: Int] = [:]
    for spec in ParameterTable(description, predicts: true) {
      expected[description.names.tensor(spec.id), default: 0] += spec.elementCount
    }
    var found: [String: Int] = [:]
    for entry in folder.entries { found[entry.name] = entry.elementCount }
    if description.tiedEmbeddings { found["lm_head.weight"] = nil }
    #expect(found == expected)
  }

  @Test(arguments: Configuration.all) func everyParameterHasAnIdOfItsOwn(golden: String) throws {
    let table = ParameterTable(try Configuration(golden: golden).read(), predicts: true)
    #expect(Set(table.map(\.id)).count == table.reduce(0) { count, _ in count + 1 })
    #expect(table.allSatisfy { $0.isMatrix != ($0.use == .vector) && $0.shape.allSatisfy { $0 > 0 } })
  }

  @Test func aTiedHeadIsTheEmbedding() throws {
    let tied = try Configuration(golden: "llama").with("tie_word_embeddings", "true").read()
    let apart = try Configuration(golden: "llama").with("tie_word_embeddings", "false").read()
    let (embedding, head) = (ParameterID(.embedding), ParameterID(.head))
    #expect(ParameterTable(tied).holder(of: head) == embedding && !ParameterTable(tied).contains { $0.id == head })
    #expect(ParameterTable(apart).holder(of: head) == head && ParameterTable(apart).contains { $0.id == head })
  }

  @Test func predictionModulesAreLayersPastTheLast() throws {
    let description = try Configuration(golden: "glm4_moe_lite").read()
    let module = description.parameters(ofLayer: description.layerCount)
    #expect(module.allSatisfy { $0.layer == 3 })
    #expect(module.count == description.parameters(ofLayer: 2).count + 6)
    #expect(
      description.names.tensor(ParameterID(.prediction(.head), layer: 3)) == "model.layers.3.shared_head.head.weight")
    #expect(!ParameterTable(description).contains { $0.layer == 3 })
  }

  /// Billions of experts are listed only as far as somebody walks.
  @Test func aTableOfAbsurdSizeCostsNothing() throws {
    let description = try Configuration(golden: "mixtral").with("num_local_experts", "8192")
      .with("num_hidden_layers", "1024").read()
    #expect(ParameterTable(description).first { $0.layer == 1 }?.role == .query)
  }
}
