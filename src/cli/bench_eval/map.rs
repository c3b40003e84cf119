//! A made-up vector map of any size.
//!
//! *In*: a number of blocks. *Out*: the text of a map expansion. *Invariant*: 28 records in seven layers a block, curved outlines of 40 nodes.

/// A map of blocks side by side: 28 records in seven layers each, curved outlines of 40 nodes.
pub(super) fn blocks(blocks: usize) -> String {
    let (mut nodes, mut polygons, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let layers = ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "road_divider", "lane_divider"];
    let mut records: Vec<Vec<String>> = vec![Vec::new(); layers.len()];
    for block in 0..blocks {
        for (layer, list) in records.iter_mut().enumerate() {
            for part in 0..4 {
                let own = format!("{block}-{layer}-{part}");
                let tokens: Vec<String> = (0..40)
                    .map(|at| {
                        let angle = std::f64::consts::TAU * f64::from(at) / 40.0;
                        let (radius, cx) = (12.0 + 3.0 * (angle * 3.0).sin(), 100.0 * block as f64 + 30.0 * f64::from(part));
                        let node = format!("n{own}-{at}");
                        nodes.push(format!(
                            r#"{{"token":"{node}","x":{:.3},"y":{:.3}}}"#,
                            cx + radius * angle.cos(),
                            60.0 + 8.0 * layer as f64 + radius * angle.sin()
                        ));
                        format!("\"{node}\"")
                    })
                    .collect();
                let tokens = tokens.join(",");
                if layer < 5 {
                    polygons.push(format!(r#"{{"token":"p{own}","exterior_node_tokens":[{tokens}],"holes":[]}}"#));
                    let link = if layer == 0 {
                        format!(r#""polygon_tokens":["p{own}"]"#)
                    } else {
                        format!(
                            r#""polygon_token":"p{own}","road_segment_token":"","road_block_token":"","stop_line_type":"YIELD","ped_crossing_tokens":[],"traffic_light_tokens":[]"#
                        )
                    };
                    list.push(format!(r#"{{"token":"r{own}",{link}}}"#));
                } else {
                    lines.push(format!(r#"{{"token":"l{own}","node_tokens":[{tokens}]}}"#));
                    list.push(format!(r#"{{"token":"r{own}","line_token":"l{own}","road_segment_token":"","lane_divider_segments":[]}}"#));
                }
            }
        }
    }
    let layers: Vec<String> = layers.iter().zip(records).map(|(name, list)| format!("\"{name}\":[{}]", list.join(","))).collect();
    let rest = ["road_segment", "road_block", "lane", "lane_connector", "traffic_light"].map(|name| format!("\"{name}\":[]"));
    format!(
        r#"{{"version":"1.3","canvas_edge":[4000,200],"node":[{}],"polygon":[{}],"line":[{}],{},{},"arcline_path_3":{{}},"connectivity":{{}}}}"#,
        nodes.join(","),
        polygons.join(","),
        lines.join(","),
        layers.join(","),
        rest.join(",")
    )
}
