import Foundation

/// The tiny checkpoints of `Tests/Fixtures`, by their folders: whatever is added there is tested wherever its kind is.
package enum FamilyFixtures {
  /// Families that have no golden: `Tests/Reference/make_family_checkpoints.py` makes them.
  package static let names = names(in: "families")

  /// Those with the reference implementation's outputs of whole texts.
  package static let goldens = names(in: "goldens")

  /// Goldens whose attention goes to positions that an indexer chooses.
  package static let indexed = ["deepseek_v32", "glm_moe_dsa"]

  /// The families with gated DeltaNet.
  package static let deltas = names(in: "delta")

  /// DeepSeek-V4: as published, and as transformers saves it.
  package static let compressed = names(in: "compressed")

  /// Those in which everything can be trained, but for other forms of the same weights.
  package static let trainable =
    goldens.filter { name in
      !indexed.contains(name) && !["_bf16", "_fp8", "_mxfp4"].contains { name.hasSuffix($0) }
    } + names

  /// The folder of any of them.
  package static func folder(_ name: String) -> String {
    let kind =
      names.contains(name)
      ? "families" : deltas.contains(name) ? "delta" : compressed.contains(name) ? "compressed" : "goldens"
    return root.appending(path: "\(kind)/\(name)").path
  }

  private static let root = Page.root.appending(path: "Tests/Fixtures")

  private static func names(in kind: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: kind).path))?.sorted() ?? []
    precondition(!names.isEmpty, "no checkpoints in Tests/Fixtures/\(kind)")
    return names
  }
}
