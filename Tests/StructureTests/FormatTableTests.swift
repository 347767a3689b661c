import Foundation
import Testing

/// A weight format is a row of two tables and the files of its own: nothing else asks which format it has.
@Suite struct FormatTableTests {
  private let tree = SourceTree.package

  /// Files below `folder` that match, with how often, but for those that may.
  private func files(
    under folder: String, extensions: Set<String>, naming pattern: String, except allowed: [String]
  ) throws -> [String] {
    let expression = try NSRegularExpression(pattern: pattern)
    return try tree.files(under: folder, extensions: extensions).compactMap { file in
      guard !allowed.contains(where: { file.path.hasPrefix("\(folder)/\($0)") }) else { return nil }
      let count = expression.numberOfMatches(
        in: file.text, range: NSRange(file.text.startIndex..., in: file.text))
      return count == 0 ? nil : "\(file.path): \(count)"
    }
  }

  @Test func kernelsNameNoFormat() throws {
    let found = try files(
      under: "Sources/Base/CKernels", extensions: ["c", "h", "inc"],
      naming: #"\bCK_(F32|BF16|F16|F8E4M3|MXFP4|Q8|Q4|I?Q\d_(\d|K|NL|XS|XXS|S|M)|MXFP4_0|NVFP4)\b"#,
      except: [
        "Formats/", "include/formats.h", "include/blocks.h",
        // The only format that meets bf16 rows.
        "Matmul/matmul.c",
        // What blocks of all others are expanded to.
        "Matmul/matmul_kernel.inc", "Matmul/Int8/matmul_int8_kernel.inc", "Matmul/matmul_block.inc",
        "Matmul/matmul_lines.inc",
        // The table of the formats that are looked up by bytes.
        "Matmul/matmul_vbmi.c",
      ])
    #expect(found.isEmpty, "\(found) name a format: let its row say what they need")
  }

  @Test func oneFileChoosesAnInstructionSetsKernels() throws {
    let found = try files(
      under: "Sources/Base/CKernels", extensions: ["c", "h", "inc"],
      naming: #"\bCK_ISA_(REFERENCE|AVX2|AVX512|NEON)\b"#,
      except: ["include/isa.h", "isa.c", "kernels.c"])
    #expect(found.isEmpty, "\(found) name an instruction set: let ck_kernels_of choose")
  }

  @Test func readersOfModelsNameNoFormat() throws {
    let found = try files(
      under: "Sources", extensions: ["swift"], naming: #"\.(float8|mxfp4|q8|q4|i?q\d(\d|K|NL|XS))\b"#,
      except: [
        "Base/Kernels/WeightFormat.swift", "Base/Tensors/ElementType.swift",
        // What --weights means, and what that costs on paper.
        "Model/MoEModel/Parameters/WeightPrecision.swift", "Command/martinet/Commands/Plan.swift",
        "Command/martinet/Commands/PlannedModel.swift",
        // A type of the cache has the same name.
        "Base/Kernels/Attention.swift", "Command/Benchmarking/Kernels/AttentionBenchmark.swift",
        "Command/martinet/Terminal/CheckpointReport.swift",
        // What scales the benchmark gives them.
        "Command/Benchmarking/Kernels/KernelBenchmark.swift",
        // How published folders call what they hold.
        "Model/MoEModel/Parameters/StoredParameters.swift",
        "Model/MoEModel/Parameters/StoredParameters+Packed.swift",
        "Model/MoEModel/Configuration/ConfigReader+Quantization.swift",
        "Model/MoEModel/Configuration/ConfigReader+Packing.swift",
      ])
    #expect(found.isEmpty, "\(found) name a format: let its row say what they need")
  }

  @Test func oneFileNamesAFormatOfCheckpoints() throws {
    let found = try files(
      under: "Sources", extensions: ["swift"], naming: #"\bHuggingFaceFolder\b"#,
      except: ["Model/Checkpoints/HuggingFace/", "Model/Checkpoints/CheckpointFormat.swift"])
    #expect(found.isEmpty, "\(found) ask for a folder: let them take a Checkpoint")
  }

  /// Pages are files that a browser and a linter can read.
  @Test func pagesAreNotWrittenInSwift() throws {
    let found = try files(
      under: "Sources", extensions: ["swift"],
      naming: #"</?(html|body|div|table|tr|td|th|section|h[1-6]|p|ul|li|span)( [^>\n]*)?>"#, except: [])
    #expect(found.isEmpty, "\(found) write HTML: let a file in Resources have it")
  }
}
