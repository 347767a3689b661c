import Checkpoints
import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

@testable import MoEModel

/// Integers that other programs packed, in panels: their numbers are those that are expanded from what is stored
/// (`PackedCheckpointTests` holds these to the publishers' own).
struct HeldIntegersTests {
  @Test(arguments: ["awq", "gptq", "int4_channel_halves", "int4_group32", "int4_zeros_group32"])
  func everyHeldWeightIsTheNumberItStandsFor(name: String) throws {
    let checkpoint = try HuggingFaceFolder(path: PackedCheckpointTests.folder.appending(path: name).path)
    let description = try ModelConfiguration.read(checkpoint)
    var reader = ShardReader(checkpoint: checkpoint, sums: ReadSums(checkpoint))
    let stored = StoredRows(checkpoint: checkpoint, sums: nil)
    var heldCount = 0
    try StoredParameters(description, checkpoint: checkpoint, workerCount: 1).walk { spec, found in
      guard case .matrices(let sources) = found else { return }
      for source in sources where source.packed != nil && source.format == source.storedFormat {
        heldCount += 1
        let panelCount = PackedMatrix.panelCount(rows: source.rows)
        let panelBytes = source.format.panelByteCount(columns: source.columns)
        let memory = AlignedBuffer<UInt8>(count: panelCount * panelBytes)
        // Two workers' shares.
        let cut = (panelCount + 1) / 2
        for panels in [0..<cut, cut..<panelCount] {
          try reader.fill(
            source, panels: panels, into: UnsafeMutableRawPointer(memory.pointer + panels.lowerBound * panelBytes))
        }
        let matrix = PackedMatrix(
          format: source.format, rows: source.rows, columns: source.columns, rowFormat: .int8, bias: nil,
          bounds: [0, panelCount], shards: [UnsafeMutableRawPointer(memory.pointer)])
        var values = [Float](repeating: 0, count: source.columns)
        try stored.forEach(source, rows: 0..<source.rows) { row, expected in
          matrix.expand(row: row, into: &values)
          let isSame = (0..<source.columns).allSatisfy { values[$0] == expected[$0] }
          #expect(isSame, "\(spec.role), row \(row), in \(source.format)")
        }
      }
    }
    #expect(heldCount > 5)
  }
}
