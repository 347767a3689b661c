import Telemetry

/// Phases as plots show them: few enough to tell their colours apart.
struct PhaseGroup {
  let title: String
  let color: String
  let phases: [Phase]
  /// Only the part in which a peer was late, or only the rest.
  enum Part { case whole, onTime, late }
  let part: Part

  static let all: [PhaseGroup] = [
    .init(title: "attention", color: "#4269d0", phases: [.attention], part: .whole),
    .init(title: "dense", color: "#97bbf5", phases: [.dense], part: .whole),
    .init(title: "gate", color: "#9c6b4e", phases: [.gate], part: .whole),
    .init(title: "shared expert", color: "#6cc5b0", phases: [.shared], part: .whole),
    .init(title: "experts", color: "#3ca951", phases: [.experts], part: .whole),
    .init(title: "merge", color: "#a463f2", phases: [.merge], part: .whole),
    .init(title: "embedding, head, sampling", color: "#9498a0", phases: [.embedding, .head, .sampling], part: .whole),
    .init(title: "pack and unpack", color: "#efb118", phases: [.pack, .unpack], part: .whole),
    .init(title: "transfer", color: "#ff725c", phases: [.plan, .dispatch, .combine, .outcome], part: .onTime),
    .init(
      title: "waiting for late ranks", color: "#e9b9c9", phases: [.plan, .dispatch, .combine, .outcome], part: .late),
  ]

  /// Of the first group that has the phase; black where none has.
  static func color(of phase: Phase) -> String { all.first { $0.phases.contains(phase) }?.color ?? "#000000" }

  /// Nanoseconds in one layer, the last of which is outside of all.
  func time(_ kind: RankAccount.Kind, layer: Int) -> Int {
    phases.reduce(0) {
      let (time, late) = (kind.time[layer][$1.rawValue], kind.late[layer][$1.rawValue])
      switch part {
      case .whole: return $0 + time
      case .onTime: return $0 + max(0, time - late)
      case .late: return $0 + late
      }
    }
  }
}
