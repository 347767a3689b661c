import Bytes
import ExpertParallelism
import Fabric

/// What rank 0 has all ranks do next: the first field of every message to their loops.
package enum RankCommand: Equatable, Sendable {
  /// Carry out a step; its plan follows.
  case step
  /// Leave the loop.
  case stop
  /// Measure the clocks.
  case alignClocks
  /// Time messages between the ranks.
  case probeLinks
  /// Send accounts to rank 0: whole, or without what is kept for a trace, so that they are small.
  case collectAccounts(totalsOnly: Bool)
  /// Send what the tokens chose to rank 0.
  case collectRouting
  /// Forget the accounts.
  case resetAccounts
  /// Keep accounts from now on, or none.
  case recordAccounts(Bool)
  /// Load this folder's weights in place of those there are.
  case loadModel(path: String)
  /// Have experts change places: one round of it.
  case moveExperts([ExpertMove])

  private enum Kind: UInt8 {
    case step, stop, alignClocks, probeLinks, collectAccounts, collectRouting, resetAccounts, recordAccounts, loadModel
    case moveExperts
  }

  /// Whether more follows that the command itself does not read.
  package var hasBody: Bool { self == .step }

  package func write(to writer: inout ByteWriter) {
    func write(_ kind: Kind) { writer.write(kind.rawValue) }
    switch self {
    case .step: write(.step)
    case .stop: write(.stop)
    case .alignClocks: write(.alignClocks)
    case .probeLinks: write(.probeLinks)
    case .collectAccounts(let totalsOnly):
      write(.collectAccounts)
      writer.write(UInt8(totalsOnly ? 1 : 0))
    case .collectRouting: write(.collectRouting)
    case .resetAccounts: write(.resetAccounts)
    case .recordAccounts(let records):
      write(.recordAccounts)
      writer.write(UInt8(records ? 1 : 0))
    case .loadModel(let path):
      write(.loadModel)
      writer.write(path)
    case .moveExperts(let moves):
      write(.moveExperts)
      writer.write(Int32(moves.count))
      for move in moves {
        writer.write(Int32(move.layer))
        writer.write(Int32(move.expert))
        writer.write(move.holders.map { Int32($0.index) })
      }
    }
  }

  /// Reads a command, and leaves `reader` at its body. Throws `RuntimeError.malformedCommand`, also where a command
  /// without a body is not all there is.
  package init(from reader: inout ByteReader) throws(RuntimeError) {
    do throws(TruncatedMessage) { self = try Self.read(from: &reader) } catch {
      throw .malformedCommand("it ends early or is none that there is")
    }
    guard hasBody || reader.isAtEnd else { throw .malformedCommand("it has bytes after its end") }
  }

  private static func read(from reader: inout ByteReader) throws(TruncatedMessage) -> RankCommand {
    guard let kind = Kind(rawValue: try reader.read()) else { throw TruncatedMessage() }
    func flag() throws(TruncatedMessage) -> Bool {
      switch try reader.read(UInt8.self) {
      case 0: false
      case 1: true
      default: throw TruncatedMessage()
      }
    }
    switch kind {
    case .step: return .step
    case .stop: return .stop
    case .alignClocks: return .alignClocks
    case .probeLinks: return .probeLinks
    case .collectAccounts: return .collectAccounts(totalsOnly: try flag())
    case .collectRouting: return .collectRouting
    case .resetAccounts: return .resetAccounts
    case .recordAccounts: return .recordAccounts(try flag())
    case .loadModel: return .loadModel(path: try reader.readText())
    case .moveExperts:
      let count = try reader.readCount(width: 12)
      var moves: [ExpertMove] = []
      for _ in 0..<count {
        let (layer, expert) = (Int(try reader.read(Int32.self)), Int(try reader.read(Int32.self)))
        moves.append(ExpertMove(layer: layer, expert: expert, holders: try reader.readInts().map { Rank(Int($0)) }))
      }
      return .moveExperts(moves)
    }
  }
}
