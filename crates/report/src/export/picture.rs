//! The figure as a bitmap, for programs that cannot show SVG.

use crate::error::{Error, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::sync::Arc;

/// Dots for each pixel of the figure. This is enough for print.
const SCALE: f32 = 3.0;

/// Draws an SVG document as PNG with the font of this crate.
///
/// # Errors
/// The document is not SVG, or it is too large.
pub(super) fn png(svg: &str) -> Result<Vec<u8>> {
    let failed = |message: String| Error::Picture { message };
    let mut options = Options::default();
    let fonts = Arc::make_mut(&mut options.fontdb);
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| failed("the figure has no size".to_owned()))?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or_else(|| failed("the figure is too large".to_owned()))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_drawn_on_a_machine_without_fonts() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20">
            <rect width="60" height="20" fill="white"/>
            <text x="2" y="15" font-size="14" font-family="Helvetica, Arial, Liberation Sans, sans-serif" fill="black">80%</text></svg>"#;
        let picture = Pixmap::decode_png(&png(svg).expect("a figure")).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (180, 60));
        let dark = picture.pixels().iter().filter(|pixel| pixel.red() < 64).count();
        assert!((300..3000).contains(&dark), "{dark} dark dots");
        assert!(png("<svg").is_err());
    }
}
